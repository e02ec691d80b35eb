"""What a stack is to be, from the settings and the machine, and the environment of its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from embedstack.bridge.settings import table
from embedstack.bridge.settings.load import load as load_bridge
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.plan import decide, environment
from embedstack.deploy.plan.environment import BridgeSurroundings
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel, name_in_engine
from embedstack.deploy.settings import ModelSettings, Settings, StackSettings
from embedstack.deploy.webui.settings import put
from embedstack.models import catalog
from tests.paths import ROOT

OLLAMA = "http://127.0.0.1:11434"


@dataclass(frozen=True)
class Secrets:
    webui_secret_key: str = "signs"  # noqa: S105 -- invented
    webui_admin_password: str = "opens"  # noqa: S105 -- invented
    bridge_key: str = "lets-in"
    bridge_admin_key: str = "lets-look"


def _plan(expose: str = "none", kind: str = "ollama") -> Plan:
    settings = msgspec.convert({"stack": {"expose": expose}}, Settings)
    model = catalog.load().find("qwen3-embedding:4b").model
    engine = msgspec.convert({"kind": kind, "managed": True, "reason": "a test", "url": OLLAMA}, PlannedEngine)
    return Plan(settings, "native", "a test", engine, PlannedModel(model, model.id, "Q4_K_M", 8192))


def _bridge(plan: Plan, served: PlannedModel | None = None, **given: Any) -> dict[str, str]:
    around = BridgeSurroundings(("127.0.0.1", 11435), OLLAMA, cache="/c", key_file="/k", admin_key_file="/a")
    return environment.bridge(plan, served or plan.served, plan.engine, replace(around, **given))


def _settings(mode: str) -> Settings:
    return msgspec.convert({"stack": {"mode": mode}}, Settings)


@pytest.mark.parametrize(
    ("wanted_mode", "docker", "ollama", "mode", "reason"),
    [
        ("auto", "", None, "docker", "Docker and Compose work here"),
        ("auto", "Docker does not answer", None, "native", "Docker does not answer"),
        ("auto", "", OLLAMA, "native", f"an Ollama runs at {OLLAMA} already"),
        ("docker", "Docker does not answer", OLLAMA, "docker", "as asked for"),
        ("native", "", None, "native", "as asked for"),
    ],
)
def test_the_mode_and_its_reason(wanted_mode: str, docker: str, ollama: str | None, mode: str, reason: str) -> None:
    """What is asked for is taken; else an Ollama that runs decides, then whether Docker works."""
    assert (mode, reason) == decide.mode(_settings(wanted_mode), docker=docker, ollama=ollama)


def test_a_model_is_found_by_any_name_and_quantisation() -> None:
    """A tag of one quantisation asks for it; the setting wins."""
    by_tag = decide.model(Settings(model=ModelSettings(id="qwen3-embedding:4b-q8_0")))
    by_setting = decide.model(Settings(model=ModelSettings(quantisation="f16")))

    assert (by_tag.model.id, by_tag.file.quantisation) == ("qwen3-embedding:4b", "Q8_0")
    assert by_setting.file.quantisation == "f16"


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    """And with where the list is."""
    with pytest.raises(InvalidModel, match="qwen3-embedding:4b") as refused:
        decide.model(Settings(model=ModelSettings(id="qwen3-embeding:4b")))

    assert "embedstack model list" in refused.value.advice


def test_each_precision_has_a_name_of_its_own_in_ollama() -> None:
    """Two precisions under one name would be two spaces of vectors under one name."""
    model = catalog.load().find("qwen3-embedding:4b").model
    names = [name_in_engine(model, file) for file in model.files if file.selectable]

    assert names[0] == "qwen3-embedding:4b"
    assert len(set(names)) == len(names)


def test_the_bridge_takes_the_environment_that_is_made_for_it(tmp_path: Path) -> None:
    """Its own loader reads every variable and finds what the plan says."""
    (tmp_path / "key").write_text("lets-in\n")
    (tmp_path / "admin-key").write_text("lets-look\n")
    plan = _plan(expose="all")
    made = {
        **_bridge(plan),
        "EMBED_BRIDGE_SECURITY_API_KEYS": f'[{{"name":"stack","key_file":"{tmp_path}/key"}}]',
        "EMBED_BRIDGE_SECURITY_ADMIN_KEY_FILE": f"{tmp_path}/admin-key",
    }

    settings = load_bridge([], made).settings

    assert (settings.engine.kind, settings.engine.url, settings.model.id) == ("ollama", OLLAMA, "qwen3-embedding:4b")
    assert (settings.model.precision, settings.requests.keep_alive) == ("Q4_K_M", -1)
    assert [key.key for key in settings.security.api_keys] == ["lets-in"]
    assert settings.security.admin_key == "lets-look"


def test_the_bridge_asks_for_a_key_only_where_others_can_reach_it() -> None:
    """On loopback no client has to change."""
    assert "EMBED_BRIDGE_SECURITY_API_KEYS" not in _bridge(_plan())
    assert "EMBED_BRIDGE_SECURITY_API_KEYS" in _bridge(_plan(expose="all"))


def test_bf16_weights_beside_ollama_have_an_alias_that_the_bridge_understands() -> None:
    """The catalogue does not know `qwen3-embedding:4b-bf16`, which clients ask for."""
    plan = _plan(kind="vllm")
    beside = PlannedModel(plan.served.model, "qwen3-embedding:4b-bf16", "bf16", 8192)

    made = _bridge(plan, beside)
    del made["EMBED_BRIDGE_SECURITY_ADMIN_KEY_FILE"]  # a file that is not there
    settings = load_bridge([], made).settings

    assert settings.model.aliases == {"qwen3-embedding:4b-bf16": "qwen3-embedding:4b"}
    assert (settings.engine.kind, settings.engine.model) == ("openai", "qwen3-embedding:4b-bf16")


def test_every_key_that_is_replaced_in_a_bridges_own_file_is_documented() -> None:
    """docs/stack.md names each that some stack sets, and no other; the sentence after has those that are refused."""
    everything: dict[str, object] = {
        "stack": {"expose": "all"},
        "engine": {"threads": 2},
        "model": {"catalog": "/own.yaml"},
    }
    made: set[str] = set()
    for kind in ("ollama", "embedded", "vllm"):
        plan = _plan(kind=kind)
        plan = replace(plan, settings=msgspec.convert(everything, Settings, dec_hook=lambda path, text: path(text)))
        beside = replace(plan.served, name="qwen3-embedding:4b-bf16")
        given = {"gguf": "/m.gguf", "tokenizer": "/t", "passthrough": OLLAMA, "hosts": ("here",)}
        made |= set(_bridge(plan, beside, **given))
    text = (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
    section = text.split("These keys of it the stack replaces:")[1].split("A file with `security.admin_key`")[0]
    named = {key for key in re.findall(r"`([a-z]+\.[a-z_]+)`", section) if key in table()}

    assert {key for key, row in table().items() if row.variable in made} == named


def test_open_webui_is_given_the_bridge_and_the_roles() -> None:
    """Embeddings go to the bridge with a role each, chat to Ollama, and nothing to anybody else."""
    made = environment.webui(_plan(), Secrets(), data="/d", bridge_url="http://b:1", ollama_url="http://o:2")

    assert (made["RAG_OLLAMA_BASE_URL"], made["OLLAMA_BASE_URL"]) == ("http://b:1", "http://o:2")
    assert made["RAG_EMBEDDING_PREFIX_FIELD_NAME"] == "input_type"
    assert (made["RAG_EMBEDDING_QUERY_PREFIX"], made["RAG_EMBEDDING_CONTENT_PREFIX"]) == ("query", "document")
    assert made["ENABLE_OPENAI_API"] == "False"
    assert made["RAG_OLLAMA_API_KEY"] == ""


def test_open_webui_without_an_ollama_has_nothing_to_chat_with() -> None:
    """The embedded engine only embeds."""
    made = environment.webui(_plan(), Secrets(), data="/d", bridge_url="http://b:1", ollama_url=None)

    assert made["ENABLE_OLLAMA_API"] == "False"
    assert "OLLAMA_BASE_URL" not in made


def test_a_difference_in_open_webuis_settings_is_named_and_a_key_is_not_shown() -> None:
    """Field by field, also below ollama_config."""
    must = put.embedding(_plan(), "http://b:1", "new-key")
    is_set = {**must, "RAG_EMBEDDING_MODEL": "other", "ollama_config": {"url": "http://b:1", "key": "old-key"}}

    found = [str(difference) for difference in put.differences(is_set, must)]

    assert found == [
        "RAG_EMBEDDING_MODEL is 'other', and should be 'qwen3-embedding:4b'",
        "ollama_config.key is ********, and should be ********",
    ]
    assert put.differences(must, must) == ()


def test_only_what_is_exposed_listens_beyond_this_machine() -> None:
    """`webui` opens Open WebUI alone, `all` the bridge too."""
    hosts = {e: (_plan(e).webui_host, _plan(e).bridge_host) for e in ("none", "webui", "all")}

    assert hosts == {
        "none": ("127.0.0.1", "127.0.0.1"),
        "webui": ("0.0.0.0", "127.0.0.1"),  # noqa: S104 -- what is asked for
        "all": ("0.0.0.0", "0.0.0.0"),  # noqa: S104
    }


def test_a_stack_has_a_name_that_a_folder_and_a_container_can_have() -> None:
    """Anything else is refused by the schema."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "../x"}, StackSettings)
