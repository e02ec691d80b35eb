"""From a plan to the processes of a native stack: command lines and environments, word for word."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from embedstack.deploy.native import parts
from embedstack.deploy.native.part import PartSpec, as_now_named, inherited
from embedstack.deploy.native.parts import PartSurroundings
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.settings import BridgeSettings, Settings, StackSettings, VllmSettings
from embedstack.models import catalog

PLACES = Places(Path("/stack"))
SECRETS = Secrets("the secret key", "the first password", "the bridge's key", "its administrator's key")
MODEL = catalog.load().find("qwen3-embedding:4b").model
GGUF = PlannedModel(MODEL, "qwen3-embedding:4b", "Q4_K_M", 8192, None, Path("/files/4b.gguf"))
FOLDER = PlannedModel(MODEL, "qwen3-embedding:4b-bf16", "bf16", 8192, None, None, Path("/files/4b"))
OLLAMA = PlannedEngine("ollama", True, "installed", "http://127.0.0.1:11434", Path("/usr/bin/ollama"))
VLLM = PlannedEngine("vllm", True, "as asked for", "http://127.0.0.1:8000", Path("/usr/bin/vllm"))
EMBEDDED = PlannedEngine("embedded", True, "no Ollama is here")
HERE = PartSurroundings(webui=Path("/webui/bin/open-webui"), python="/usr/bin/python3")


def plan(
    engine: PlannedEngine = OLLAMA, served: PlannedModel = GGUF, beside: PlannedModel | None = None, **sections: object
) -> Plan:
    settings = Settings(**sections)  # type: ignore[arg-type]
    return Plan(settings, "native", "as asked for", engine, served, beside, Path("/usr/bin/vllm"))


def specs(wanted: Plan, here: PartSurroundings = HERE) -> dict[str, PartSpec]:
    return {spec.name: spec for spec in parts.specs(wanted, SECRETS, PLACES, here)}


def test_an_ollama_of_the_stack_is_started_on_loopback_with_the_users_own_models() -> None:
    """What this person has pulled before is there: no folder of models is set."""
    ollama = specs(plan())["ollama"]
    assert ollama.argv == ("/usr/bin/ollama", "serve")
    assert ollama.environment == {"OLLAMA_HOST": "127.0.0.1:11434"}
    assert ollama.ready_url == "http://127.0.0.1:11434/api/version"


def test_an_ollama_that_ran_before_is_no_part() -> None:
    """`down` leaves alone what is not a part."""
    assert list(specs(plan(replace(OLLAMA, managed=False)))) == ["bridge", "open-webui"]


def test_the_bridge_is_given_its_engine_and_nothing_of_another_bridge() -> None:
    """It reads the stack's own file, and is ready when its engine is."""
    bridge = specs(plan())["bridge"]
    assert bridge.argv == (
        "/usr/bin/python3",
        "-P",
        "-m",
        "embedstack.bridge",
        "--config",
        "/stack/run/embed-bridge.yaml",
    )
    assert bridge.environment == {
        "EMBED_BRIDGE_LISTEN_HOST": "127.0.0.1",
        "EMBED_BRIDGE_LISTEN_PORT": "11435",
        "EMBED_BRIDGE_ENGINE_KIND": "ollama",
        "EMBED_BRIDGE_ENGINE_URL": "http://127.0.0.1:11434",
        "EMBED_BRIDGE_ENGINE_MODEL": "qwen3-embedding:4b",
        "EMBED_BRIDGE_MODEL_ID": "qwen3-embedding:4b",
        "EMBED_BRIDGE_MODEL_PRECISION": "Q4_K_M",
        "EMBED_BRIDGE_REQUESTS_KEEP_ALIVE": "-1",
        "EMBED_BRIDGE_CACHE_FOLDER": "/stack/data/bridge-cache",
        "EMBED_BRIDGE_SECURITY_ADMIN_KEY_FILE": "/stack/run/bridge-admin.key",
    }
    assert bridge.ready_url == "http://127.0.0.1:11435/readyz"
    assert bridge.after == ("ollama",)


def test_the_embedded_engine_is_inside_the_bridge() -> None:
    """One part with the file, and no address of an engine."""
    made = specs(plan(EMBEDDED), replace(HERE, webui=None))
    assert list(made) == ["bridge"]
    assert made["bridge"].environment["EMBED_BRIDGE_ENGINE_GGUF"] == "/files/4b.gguf"
    assert "EMBED_BRIDGE_ENGINE_URL" not in made["bridge"].environment


def test_a_file_of_the_bridge_and_passthrough_reach_it() -> None:
    """What the person has set for the bridge."""
    bridge = specs(plan(bridge=BridgeSettings(config=Path("/mine.yaml"), passthrough=True)))["bridge"]
    assert bridge.argv[-1] == "/mine.yaml"
    assert bridge.environment["EMBED_BRIDGE_PASSTHROUGH_OLLAMA"] == "http://127.0.0.1:11434"


def test_vllm_on_a_gpu() -> None:
    """bf16, most of the memory, and the dimensions that clients may ask for."""
    vllm = specs(plan(VLLM, FOLDER), replace(HERE, gpu=True))["vllm"]
    assert (
        *("/usr/bin/vllm", "serve", "/files/4b", "--served-model-name", "qwen3-embedding:4b-bf16"),
        *("--runner", "pooling", "--convert", "embed", "--max-model-len", "8192", "--hf-overrides"),
        '{"is_matryoshka":true,"matryoshka_dimensions":[32,64,128,256,512,768,1024,1536,2048,2560]}',
        *("--host", "127.0.0.1", "--port", "8000", "--dtype", "bfloat16", "--gpu-memory-utilization", "0.9"),
    ) == vllm.argv
    assert vllm.ready_url == "http://127.0.0.1:8000/health"
    assert "VLLM_CPU_KVCACHE_SPACE" not in vllm.environment


def test_vllm_on_the_cpu() -> None:
    """float32, as it is tested, and a key/value cache that is bounded."""
    vllm = specs(plan(VLLM, FOLDER, vllm=VllmSettings(cpu_kv_gib=2)))["vllm"]
    assert vllm.argv[-3:] == ("--dtype", "float32", "--enforce-eager")
    assert vllm.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"


def test_vllm_beside_ollama_shares_the_gpu_and_has_a_bridge_of_its_own() -> None:
    """Two precisions are never in one pool."""
    made = specs(plan(beside=FOLDER, vllm=VllmSettings(beside=True)), replace(HERE, gpu=True))
    assert list(made) == ["ollama", "vllm", "bridge", "bridge-bf16", "open-webui"]
    assert made["vllm"].argv[-1] == "0.45"
    beside = made["bridge-bf16"]
    assert beside.address == "http://127.0.0.1:11436"
    assert beside.environment["EMBED_BRIDGE_ENGINE_URL"] == "http://127.0.0.1:8000"
    assert beside.environment["EMBED_BRIDGE_MODEL_PRECISION"] == "bf16"
    assert beside.environment["EMBED_BRIDGE_CACHE_FOLDER"] != made["bridge"].environment["EMBED_BRIDGE_CACHE_FOLDER"]
    assert json.loads(beside.environment["EMBED_BRIDGE_MODEL_ALIASES"]) == {
        "qwen3-embedding:4b-bf16": "qwen3-embedding:4b"
    }


def test_open_webui_is_given_its_port_on_the_command_line() -> None:
    """The package from PyPI reads neither HOST nor PORT; its embeddings go to the bridge, its chat to Ollama."""
    webui = specs(plan())["open-webui"]
    program = ("/webui/bin/python", "-P", "/webui/bin/open-webui")
    assert webui.argv == (*program, "serve", "--host", "127.0.0.1", "--port", "3000")
    assert webui.environment["RAG_OLLAMA_BASE_URL"] == "http://127.0.0.1:11435"
    assert webui.environment["OLLAMA_BASE_URL"] == "http://127.0.0.1:11434"
    assert webui.environment["DATA_DIR"] == "/stack/data/open-webui"
    assert webui.ready_url == "http://127.0.0.1:3000/ready"


@pytest.mark.process
def test_an_open_webui_that_was_moved_still_starts(tmp_path: Path) -> None:
    """The first line of its program names the folder that it was installed in, which has gone."""
    old, moved = tmp_path / "old" / "bin", tmp_path / "moved"
    old.mkdir(parents=True)
    (old / "python").symlink_to(sys.executable)
    (old / "open-webui").write_text(f"#!{old}/python\nimport sys\nprint(*sys.argv[1:])\n")
    (old / "open-webui").chmod(0o755)
    old.parent.rename(moved)

    webui = specs(plan(), replace(HERE, webui=moved / "bin" / "open-webui"))["open-webui"]

    with pytest.raises(FileNotFoundError):
        subprocess.run([moved / "bin" / "open-webui"], check=False)
    said = subprocess.run(webui.argv, capture_output=True, text=True, check=True)
    assert said.stdout == "serve --host 127.0.0.1 --port 3000\n"


def test_what_is_exposed_listens_everywhere_and_no_engine_does() -> None:
    """`all` is the bridge, with its key, and Open WebUI."""
    made = specs(plan(stack=StackSettings(expose="all")))
    assert made["ollama"].environment["OLLAMA_HOST"].startswith("127.0.0.1:")
    assert made["bridge"].environment["EMBED_BRIDGE_LISTEN_HOST"] == "0.0.0.0"  # noqa: S104
    assert "/stack/run/bridge.key" in made["bridge"].environment["EMBED_BRIDGE_SECURITY_API_KEYS"]
    listen = made["open-webui"].argv
    assert listen[listen.index("--host") + 1] == "0.0.0.0"  # noqa: S104


def test_no_secret_is_on_a_command_line_or_shown() -> None:
    """They are in environments alone, and named there as secret."""
    for spec in specs(plan(stack=StackSettings(expose="all"))).values():
        seen = " ".join([*spec.argv, *spec.shown.values()])
        assert not any(secret in seen for secret in ("the secret key", "the first password", "the bridge's key"))


@pytest.mark.parametrize(
    "change",
    [{"argv": ("other",)}, {"environment": {"X": "2"}}, {"cwd": "/"}, {"stamp": "new"}, {"after": ("y",)}],
)
def test_a_digest_tells_every_difference(change: dict[str, object]) -> None:
    """Equal specs have one digest, whatever the order of their variables; others have another."""
    spec = PartSpec("x", ("program",), "/tmp", {"X": "1", "Y": "1"})  # noqa: S108
    assert replace(spec, environment={"Y": "1", "X": "1"}).digest == spec.digest
    assert replace(spec, **change).digest != spec.digest  # type: ignore[arg-type]


def test_parts_reach_each_other_past_the_proxy() -> None:
    """The person's own exceptions stay."""
    kept = inherited({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "corp.example", "AWS_SECRET_ACCESS_KEY": "x"})
    assert kept["NO_PROXY"] == "corp.example,localhost,127.0.0.1,::1"
    assert kept["HTTP_PROXY"] == "http://proxy:3128"
    assert "AWS_SECRET_ACCESS_KEY" not in kept


def test_a_bridge_that_was_brought_up_by_an_older_name_gets_todays() -> None:
    """Everything else stays, and so does every other part."""
    now = specs(plan(EMBEDDED))["bridge"]
    older = replace(now, argv=("/usr/bin/python3", "-P", "-m", "bridge", *now.argv[4:]))

    assert now.argv[2:4] == ("-m", "embedstack.bridge")
    assert as_now_named(older) == now
    assert {as_now_named(spec) == spec for spec in specs(plan(VLLM)).values()} == {True}
