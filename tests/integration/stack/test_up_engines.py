"""`embedstack up` with the real engines: an Ollama of the stack's own, one that runs already, vLLM, Open WebUI."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from embedstack.deploy.models.chat import known
from embedstack.deploy.webui.client import Webui
from embedstack.models.demo.build import DemoFiles
from tests.engines.locate import Engine, locate
from tests.engines.run import ollama_create, ollama_server
from tests.reference import gguf_bytes
from tests.stack_command import StackCommand, stack_command


def _installed(name: str) -> Engine:
    engine = locate(name)
    assert engine is not None
    return engine


def _bin(name: str) -> str:
    return str(_installed(name).program(name).parent)


def _models(url: str) -> list[str]:
    return [model["name"] for model in requests.get(f"{url}/api/tags", timeout=10).json()["models"]]


@pytest.mark.needs("ollama")
def test_an_installed_ollama_is_started_given_the_model_and_stopped(tmp_path: Path) -> None:
    """From nothing to the model in Ollama; the second time nothing is made; `down` ends it."""
    with stack_command(tmp_path, path=_bin("ollama")) as command:
        first = command.data("up")
        again = command.data("up")

        assert [part["name"] for part in first["parts"]] == ["ollama", "bridge"]
        assert _models(command.ollama) == ["demo:latest"]
        assert again["unchanged"] is True
        assert command.data("down")["stopped"] == ["ollama", "bridge"]
        with pytest.raises(requests.ConnectionError):
            requests.get(command.ollama, timeout=5)


@pytest.mark.needs("ollama")
def test_an_ollama_that_runs_is_used_and_left_alone(tmp_path: Path) -> None:
    """It gets the model, and it still answers after `down`."""
    (tmp_path / "theirs").mkdir()
    with ollama_server(tmp_path / "theirs") as theirs, stack_command(tmp_path) as command:
        reported = command.data("up", OLLAMA_HOST=theirs.url)

        assert [(part["name"], part["reason"]) for part in reported["parts"]] == [
            ("ollama", "not the stack's own"),
            ("bridge", ""),
        ]
        assert _models(theirs.url) == ["demo:latest"]
        left = command.data("down")["left"]
        assert theirs.url in left
        assert _models(theirs.url) == ["demo:latest"]


@pytest.mark.needs("ollama")
def test_up_ends_with_a_chat_model_or_with_what_fetches_one(tmp_path: Path, demo: DemoFiles) -> None:
    """An Ollama with the embedding model alone: what fits is proposed, with the command for that very Ollama. Once it
    has a model that chats (the demo's file, without what makes it embed), that one is named.
    """
    (tmp_path / "theirs").mkdir()
    passing = ("--set", "bridge.passthrough=true")
    with ollama_server(tmp_path / "theirs") as theirs, stack_command(tmp_path, path=_bin("ollama")) as command:
        chat = command.data("up", *passing, OLLAMA_HOST=theirs.url)["chat"]
        at = {"OLLAMA_HOST": theirs.url}
        first = command.run("up", *passing, **at).stdout

        assert chat["models"] == []
        assert chat["proposed"] in {model.name for model in known()}
        assert f"ollama pull {chat['proposed']}" == chat["command"]
        assert f"Model:  none to chat with yet: `{chat['command']}`" in first

        chatty = tmp_path / "chatty.gguf"
        header = gguf_bytes.header_of(demo.gguf)
        changed = gguf_bytes.patched(header, {"qwen3.pooling_type": None})
        chatty.write_bytes(changed + demo.gguf.read_bytes()[len(header) :])
        ollama_create(theirs, "chatty", chatty, {"num_ctx": 2048})
        again = command.data("up", *passing, **at)

        assert again["unchanged"] is True
        assert again["chat"]["models"] == ["chatty:latest"]
        assert "Model:  chatty:latest to chat with" in again["next"]
        assert command.data("up", "--set", "bridge.passthrough=false", **at)["chat"] is None


@pytest.mark.needs("ollama")
def test_the_modelfile_lies_where_a_person_can_read_it(tmp_path: Path, demo: DemoFiles) -> None:
    """What was sent over the API, as text that `ollama create -f` takes."""
    with stack_command(tmp_path, path=_bin("ollama")) as command:
        command.data("up")
        home = Path(command.environment["EMBEDSTACK_HOME"])
        text = (home / "stacks" / "embedstack" / "run" / "Modelfile").read_text()

    assert f"FROM {demo.gguf}" in text
    assert "PARAMETER num_ctx 8192" in text


@pytest.mark.needs("ollama")
def test_the_bridge_passes_chat_on_if_asked_to(tmp_path: Path) -> None:
    """One address for both: what Ollama says of a model that it has not, reported through the bridge."""
    with stack_command(tmp_path, path=_bin("ollama")) as command:
        command.data("up", "--set", "bridge.passthrough=true")

        body = {"model": "no-such-chat", "messages": []}
        through = requests.post(f"{command.bridge}/api/chat", json=body, timeout=30)
        direct = requests.post(f"{command.ollama}/api/chat", json=body, timeout=30)

    assert (through.status_code, through.json()) == (direct.status_code, direct.json())


@pytest.mark.needs("vllm")
@pytest.mark.thorough
def test_vllm_behind_the_models_name(tmp_path: Path) -> None:
    """The folder is examined, vLLM started on it, and the smoke test passes through the bridge."""
    program = _installed("vllm").program("vllm")
    with stack_command(tmp_path) as command:
        reported = command.data("up", "--engine", "vllm", "--cpu", "--set", f"vllm.program={program}")

        assert [part["name"] for part in reported["parts"]] == ["vllm", "bridge"]
        assert reported["proof"]["dimensions"] == 2560
        assert any(step["name"].startswith("smoke test") for step in reported["steps"])


@pytest.mark.needs("ollama")
@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_open_webui_is_set_to_the_bridge_and_chats_with_ollama(tmp_path: Path) -> None:
    """Its administrator, settings and list of models; up twice; a setting that was changed is put right; where
    documents were indexed before, it is informed what was added meanwhile is not found.
    """
    with stack_command(tmp_path, path=_bin("ollama")) as command:
        command.data("up", "--webui")
        webui = _signed_in(command)
        try:
            assert webui.embedding()["ollama_config"]["url"] == command.bridge
            assert webui.embedding()["RAG_EMBEDDING_MODEL"] == "demo"
            assert webui.sign_up_is_open() is False
            assert _chat_models(webui) == []
            assert command.data("up", "--webui")["unchanged"] is True

            webui.set_embedding({**webui.embedding(), "RAG_EMBEDDING_MODEL": "another"})
            repaired = command.data("up", "--webui")

            assert repaired["unchanged"] is False
            assert webui.embedding()["RAG_EMBEDDING_MODEL"] == "demo"
            assert _found(webui) == "带薪休假"

            webui.set_embedding({**webui.embedding(), "RAG_EMBEDDING_MODEL": "another"})
            warned = command.run("up", "--webui")

            assert warned.returncode == 0, warned.stderr
            assert "set to another model by hand: RAG_EMBEDDING_MODEL 'another', now 'demo'" in warned.stderr
            assert webui.embedding()["RAG_EMBEDDING_MODEL"] == "demo"
        finally:
            webui.close()


def _signed_in(command: StackCommand) -> Webui:
    secrets = command.data("config", "secrets")["secrets"]
    webui = Webui(command.webui)
    webui.sign_in("admin@localhost", secrets["webui_admin_password"])
    return webui


def _chat_models(webui: Webui) -> list[str]:
    """Whom a person may choose to chat with; the arena is Open WebUI's own."""
    listed = webui.ask("GET", "/api/models")["data"]
    return [model["id"] for model in listed if model.get("owned_by") == "ollama"]


def _found(webui: Webui) -> str:
    """Which of two documents a question finds, through a knowledge base of Open WebUI."""
    knowledge = webui.ask("POST", "/api/v1/knowledge/create", {"name": "handbook", "description": "rules"})["id"]
    for name, text in (("holiday", "员工每年享有十五天带薪休假。"), ("travel", "差旅费用凭发票报销。")):
        path = "/api/v1/files/?process=true&process_in_background=false"
        sent = webui.ask("POST", path, files={"file": (f"{name}.txt", text.encode())})
        webui.ask("POST", f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": sent["id"]})
    query = {"collection_names": [knowledge], "query": "公司年假政策有哪些?", "k": 1}
    answer = webui.ask("POST", "/api/v1/retrieval/query/collection", query)
    return "带薪休假" if "带薪休假" in answer["documents"][0][0] else str(answer["documents"])
