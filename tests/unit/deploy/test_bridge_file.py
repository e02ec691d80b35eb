"""An embed-bridge.yaml of the user's in a stack: what it may not say is refused before a bridge fails of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from embedstack.bridge.settings import load
from embedstack.bridge.settings.load import ConfigError
from embedstack.deploy import config
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.plan import PlannedEngine
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.found import Before
from embedstack.deploy.stack import planning
from embedstack.deploy.stack.planning import Looked

OLLAMA = PlannedEngine("ollama", True, "a test", "http://127.0.0.1:11434")
EMBEDDED = PlannedEngine("embedded", True, "a test")
SET = {
    "ollama": {"EMBED_BRIDGE_ENGINE_KIND": "ollama", "EMBED_BRIDGE_ENGINE_URL": "http://127.0.0.1:11434"},
    "embedded": {"EMBED_BRIDGE_ENGINE_KIND": "embedded", "EMBED_BRIDGE_ENGINE_GGUF": "/m.gguf"},
}
REFUSED = [
    ("security: {admin_key: mine}", OLLAMA, "security.admin_key"),
    ("pool: {upstreams: ['http://gpu:8000']}", OLLAMA, "pool.upstreams"),
    ("pool: {upstreams: ['http://gpu:8000']}", EMBEDDED, "pool.upstreams"),
    ("engine: {gguf: /own.gguf}", OLLAMA, "engine.gguf"),
    ("engine: {url: 'http://gpu:8000'}", EMBEDDED, "engine.url"),
]


def written(folder: Path, text: str) -> Path:
    file = folder / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(("text", "before", "key"), REFUSED)
def test_what_cannot_stand_beside_the_stacks_own_is_refused(
    tmp_path: Path, text: str, before: PlannedEngine, key: str
) -> None:
    """With file and key; the bridge itself would refuse just that, beside what the stack sets."""
    file = written(tmp_path, text)
    admin = tmp_path / "admin.key"
    admin.write_text("made")
    environ = {**SET[before.kind], "EMBED_BRIDGE_SECURITY_ADMIN_KEY_FILE": str(admin)}

    with pytest.raises(InvalidSettings) as refused:
        config.check(file, before)
    with pytest.raises(ConfigError):
        load.load(["--config", str(file)], environ)

    assert str(file) in refused.value.message
    assert f"sets {key}:" in refused.value.message
    assert refused.value.advice == f"Take {key} out of it."


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("limits: {texts: 100}\nlog: {format: json}", OLLAMA),
        ("pool: {upstreams: []}\nengine: {gguf: null, url: 'http://gpu:11434'}", OLLAMA),
        ("engine: {gguf: /own.gguf}", EMBEDDED),
        ("", OLLAMA),
    ],
)
def test_anything_else_is_for_the_bridge_to_judge(tmp_path: Path, text: str, before: PlannedEngine) -> None:
    """What the stack replaces may stand there too."""
    config.check(written(tmp_path, text), before)
    config.check(None, before)


@pytest.mark.parametrize("text", [None, "log: [", "\tlog: x"])
def test_a_file_that_is_none_is_reported(tmp_path: Path, text: str | None) -> None:
    """Not there, or no YAML."""
    file = tmp_path / "own.yaml" if text is None else written(tmp_path, text)
    with pytest.raises(InvalidSettings, match=r"own\.yaml"):
        config.check(file, OLLAMA)


def test_it_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    """A plan is not made, and so nothing is fetched or started."""
    file = written(tmp_path, "security: {admin_key: mine}")
    wanted = {"stack": {"mode": "native"}, "model": {"id": "demo"}, "bridge": {"config": str(file)}}
    looked = Looked(None, Gpus(), Facts("http://127.0.0.1:11434"), Before())

    with pytest.raises(InvalidSettings, match=r"security\.admin_key"):
        planning.make(
            msgspec.convert(wanted, Settings, dec_hook=lambda kind, value: kind(value)), looked, lambda _: None
        )
