"""Which overlays and services a plan makes. Pure."""

from __future__ import annotations

import pytest

from embedstack.deploy.docker import argv
from embedstack.deploy.docker import compose as files
from embedstack.deploy.docker.argv import Project
from embedstack.deploy.docker.compose import Gpu, overlays
from tests.docker.plans import EMBEDDED, EXTERNAL, VLLM, combinations, plan


class TestOverlays:
    def test_plain(self) -> None:
        """Ollama on the CPU is compose.yaml as it stands."""
        assert overlays(plan(), None) == ()

    @pytest.mark.parametrize("gpu", ["nvidia", "cdi", "rocm"])
    def test_the_gpu_that_the_daemon_hands_out(self, gpu: Gpu) -> None:
        """A GPU is one overlay, by the way in which the daemon can give it."""
        assert (gpu,) == overlays(plan(), gpu)

    def test_cpu_asked_for(self) -> None:
        """`engine.cpu` leaves the GPU to others."""
        assert overlays(plan(engine={"cpu": True}), "nvidia") == ()

    def test_an_ollama_outside(self) -> None:
        """An Ollama of this machine gets no GPU from us."""
        assert overlays(plan(EXTERNAL), "nvidia") == ("external-ollama",)

    def test_embedded(self) -> None:
        """The embedded engine is in the bridge, and on the CPU."""
        assert overlays(plan(EMBEDDED), "nvidia") == ("embedded",)

    def test_vllm(self) -> None:
        """vLLM stands in Ollama's place, and gets the GPU in its stead."""
        assert overlays(plan(VLLM), "cdi") == ("vllm", "vllm-cdi", "vllm-only")

    def test_vllm_beside(self) -> None:
        """Both engines get the GPU, and vLLM a bridge of its own."""
        assert overlays(plan(beside=True), "nvidia") == ("nvidia", "vllm", "vllm-nvidia", "vllm-beside")

    def test_a_store_without_its_user(self) -> None:
        """Without Open WebUI nothing needs a vector store."""
        chosen = overlays(plan(webui={"enabled": False, "vector_store": "pgvector"}), None)

        assert chosen == ()

    def test_every_overlay_exists(self) -> None:
        """No combination names a file that is not there, and no file but `dev` is never named."""
        named = {name for one in combinations() for name in overlays(one.plan, one.gpu)}
        there = {path.name.split(".")[1] for path in files.compose_files(())[0].parent.glob("compose.*.yaml")}

        assert there - {"dev"} == named


class TestServices:
    def test_the_road(self) -> None:
        """Engines first, Open WebUI last."""
        assert plan().parts == ("ollama", "bridge", "open-webui")

    def test_without_a_browser(self) -> None:
        """`webui.enabled: false` leaves Open WebUI and its store out."""
        assert plan(webui={"enabled": False, "vector_store": "weaviate"}).parts == ("ollama", "bridge")

    def test_all(self) -> None:
        """vLLM beside Ollama has a bridge of its own, and the store comes before its user."""
        everything = ("ollama", "vllm", "bridge", "bridge-bf16", "pgvector", "open-webui")

        assert everything == plan(beside=True, webui={"vector_store": "pgvector"}).parts

    def test_an_ollama_outside(self) -> None:
        """What is not ours is not a service."""
        assert plan(EXTERNAL).parts == ("bridge", "open-webui")


class TestCommands:
    def test_up(self) -> None:
        """Files in order, variables from one file, and the wait in whole seconds."""
        compose = files.compose_files(("cdi",))
        project = Project("mine", compose, compose[0].parent / "x.env")

        head, tail = (
            ["docker", "compose", "--project-name", "mine"],
            ["up", "--detach", "--wait", "--wait-timeout", "90"],
        )
        layers = ["--env-file", str(project.variables), "--file", str(compose[0]), "--file", str(compose[1])]
        assert [*head, *layers, *tail, "ollama"] == project.up(["ollama"], 89.7)

    def test_down_keeps_volumes(self) -> None:
        """Data go only where that was said."""
        assert "--volumes" not in argv.down("mine", volumes=False)
        assert "--volumes" in argv.down("mine", volumes=True)
