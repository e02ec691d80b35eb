"""Every file that the project reads x every damage: an error that names the file, or it is set aside and made again."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from embedstack.bridge.cache.disk import DiskStore
from embedstack.bridge.index.expectation import Expectation
from embedstack.bridge.listen import serve
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.configuration.layers import ConfigError
from embedstack.contract.answers import IndexFacts
from embedstack.deploy import config as bridge_file
from embedstack.deploy import places, record, secrets
from embedstack.deploy.cli.app import app
from embedstack.deploy.errors import DeployError
from embedstack.deploy.hub import cache
from embedstack.deploy.native import protocol as supervised
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.ollama import create
from embedstack.deploy.plan.plan import PlannedEngine
from embedstack.deploy.stack import store_step
from embedstack.deploy.webui.index import record as index_record
from embedstack.models import catalog
from embedstack.models.demo import build
from embedstack.models.model import CatalogError
from embedstack.readers import content, json_file
from embedstack.readers.content import Damaged, DamagedFile
from tests.unit.embedstack.readers.damages import ANY, JSON, YAML, Damage

SECRET = "hunter2-and-more"  # noqa: S105 -- that it is one is the point
KNOWN = record.Record("embedstack", "native", "demo", "f16", 2560, "embedded", True, None, "http://127.0.0.1:1", None)
PART = PartSpec("bridge", ("true",), "/", {"KEY": SECRET}, ready_url=None, address=None)
FACTS = IndexFacts("0" * 16, "demo", "f16", 2560, "qwen3", "", "0" * 16)


@dataclass(frozen=True)
class File:
    """A file that is read: its good content, and its reader, given its path. `aside`: whether it can be made again."""

    name: str
    good: bytes
    read: Callable[[Path], object]
    damages: Mapping[str, Damage]
    aside: bool = False


def _secrets(path: Path) -> object:
    return secrets.read(places.Places(path.parent), lambda _: None)


def _key_file(path: Path) -> object:
    config = path.with_name("bridge.yaml")
    config.write_text(f"security: {{api_keys: [{{name: a, key_file: {path}}}]}}\n")
    return _bridge(config)


def _bridge(path: Path) -> object:
    from embedstack.bridge.settings import load as config

    return config.load(["--config", str(path)], {})


def _expectation(path: Path) -> object:
    return Expectation(path.parent, None, sizes=range(32, 33), document_prefix="").expected


def _golden(path: Path) -> object:
    return GoldenStore(path.parent.parent).load(path.stem)


def _packed(folder: Path) -> bytes:
    GoldenStore(folder).save("0" * 16, np.eye(3, dtype=np.float32))
    return (folder / "golden" / f"{'0' * 16}.npy").read_bytes()


def _manifest(path: Path) -> object:
    return build._verified(path.parent)


GOOD_SECRETS = {name: f"{SECRET}-{name}" for name in secrets.Secrets.__dataclass_fields__}
SETTINGS = f"log:\n  level: info\nsecurity:\n  api_keys: [{SECRET}]\n".encode()
FILES = (
    File("embed-bridge.yaml", SETTINGS, _bridge, YAML),
    File("catalog.yaml", b"models: {}\ntasks: {}\n# " + b"x" * 40, lambda path: catalog.load(path), YAML),
    File(
        "bridge.yaml",
        SETTINGS,
        lambda path: bridge_file.check(path, PlannedEngine("embedded", True, "")),
        {
            name: damage
            for name, damage in YAML.items()
            if name not in {"a list", "a number", "a text", "an unknown shape"}
        },
    ),  # what is not a mapping is for the bridge to refuse
    File("secrets.yaml", yaml.safe_dump(GOOD_SECRETS).encode(), _secrets, YAML),
    File("plan.json", json.dumps(asdict(KNOWN)).encode(), lambda path: record.read(places.Places(path.parent)), JSON),
    File("webui-index.json", json.dumps(asdict(index_record.IndexRecord(FACTS))).encode(), index_record.read, JSON),
    File("a.key", SECRET.encode(), _key_file, ANY),
    File("store.key", SECRET.encode(), store_step._read, ANY),
    File("index.json", b'{"fingerprint":"0123456789abcdef","model":"demo"}', _expectation, JSON, aside=True),
    File(
        "run/supervisor.json",
        b"",
        lambda path: supervised.read_record(places.Places(path.parent.parent)),
        JSON,
        aside=True,
    ),
    File(
        "ollama.json",
        b'{"u n":{"source":"","digest":"","parameters":{}}}',
        lambda _: create.recall("u", "n"),
        JSON,
        aside=True,
    ),
    File("verified.json", b"{}", lambda _: cache.recall(Path(__file__)), JSON, aside=True),
    File(f"golden/{'0' * 16}.npy", b"", _golden, {**ANY, "0 bytes": lambda path, _: path.touch()}, aside=True),
    File("demo.json", b'{"recipe":"","files":{}}', _manifest, JSON, aside=True),
)
CASES = [pytest.param(file, damage, id=f"{file.name}-{damage}") for file in FILES for damage in file.damages]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "EMBEDSTACK_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def _good(file: File, folder: Path) -> bytes:
    if file.name.startswith("golden"):
        return _packed(folder)
    if file.name.endswith("supervisor.json"):
        supervised.write_record(
            places.Places(folder), supervised.SupervisorRecord(4711, (supervised.RecordedPart(PART),))
        )
        return supervised.record_path(places.Places(folder)).read_bytes()
    return file.good


def _written(file: File, folder: Path) -> tuple[Path, bytes]:
    path = folder / file.name
    path.parent.mkdir(exist_ok=True)
    good = _good(file, folder)
    path.write_bytes(good)
    path.chmod(0o600)
    return path, good


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_whole_file_is_read(file: File, tmp_path: Path) -> None:
    """So that what is refused below is refused for its damage."""
    path, _ = _written(file, tmp_path)

    file.read(path)

    assert path.is_file()
    assert list(path.parent.glob("*.damaged-*")) == []


@pytest.mark.parametrize(("file", "damage"), CASES)
def test_a_damaged_file_is_an_error_or_set_aside(
    file: File, damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Never another exception; the message names the file and never holds a secret."""
    path, good = _written(file, tmp_path)
    path.unlink()
    file.damages[damage](path, good)

    said = _outcome(file, path) if not file.aside else ""

    if file.aside:
        assert file.read(path) is None
        (aside,) = path.parent.glob(f"{path.name}.damaged-*")
        said = caplog.text
        assert aside.name in said
        assert not path.exists()
        assert file.read(path) is None  # and again, as if it had never been there
    assert str(path) in said
    assert SECRET[:7] not in said
    assert "Traceback" not in said


def _outcome(file: File, path: Path) -> str:
    with pytest.raises((ConfigError, CatalogError, DeployError)) as caught:
        file.read(path)
    if isinstance(error := caught.value, DeployError):
        assert error.exit_code == 2
        assert error.advice
    return f"{error} {getattr(error, 'advice', '')}"


def test_a_key_may_come_through_a_pipe() -> None:
    """As `<(pass show bridge)` gives it; one to which nobody writes is no reason to wait for ever."""
    reader, writer = os.pipe()
    try:
        os.write(writer, b"a-key\n")
        os.close(writer)
        assert content.read_key(Path(f"/dev/fd/{reader}")) == "a-key"
    finally:
        os.close(reader)


def test_a_place_is_a_line_and_a_column_of_characters(tmp_path: Path) -> None:
    """Columns are counted as an editor counts them, not in bytes."""
    (path := tmp_path / "plan.json").write_bytes('{\n "é年": \x07}'.encode())

    with pytest.raises(DamagedFile, match=r"plan\.json: line 2, column 8: not JSON: invalid character"):
        json_file.read(path, dict[str, str])
    with pytest.raises(Damaged, match=r"line 3, column 2: a byte that is not UTF-8"):
        content.as_text("a\n年\né".encode() + b"\xff")


# --- the commands -------------------------------------------------------------------------------------------------


def _run(*words: str) -> tuple[int, str]:
    """`embedstack WORDS`: exit status and all that it wrote; another exception than that of its end is raised."""
    outcome = CliRunner().invoke(app, words)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.stdout + outcome.stderr


SOME = ("a byte that is not UTF-8", "a NUL", "0 bytes", "cut in half", "a folder", "a list", "2,000 brackets")


@pytest.mark.process
@pytest.mark.parametrize("damage", SOME)
@pytest.mark.parametrize("verb", ["status", "down", "logs", "restart"])
def test_a_verb_names_a_damaged_plan_and_the_way_on(verb: str, damage: str) -> None:
    """Exit status 2, the file, and `embedstack up`, which writes it again."""
    where = places.places("embedstack").create()
    JSON[damage](where.plan, json.dumps(asdict(KNOWN)).encode())

    status, said = _run(verb)

    assert status == 2
    assert str(where.plan) in said
    assert "embedstack up" in said


@pytest.mark.parametrize("damage", SOME)
@pytest.mark.parametrize("verb", ["status", "down"])
def test_a_verb_sets_a_damaged_record_of_the_supervisor_aside(verb: str, damage: str) -> None:
    """Its content, which holds the variables of the parts, is not shown."""
    where = places.places("embedstack").create()
    record.write(where, KNOWN)
    supervised.write_record(where, supervised.SupervisorRecord(4711, (supervised.RecordedPart(PART),)))
    good = supervised.record_path(where).read_bytes()
    supervised.record_path(where).unlink()
    JSON[damage](supervised.record_path(where), good)

    status, said = _run(verb)

    assert status in (0, 4)
    assert "supervisor.json.damaged-" in said
    assert SECRET[:7] not in said


@pytest.mark.parametrize("damage", ["a byte that is not UTF-8", "2,000 brackets", "a folder", "YAML's '@'"])
@pytest.mark.parametrize("words", [("config", "secrets"), ("config", "secrets", "--json")])
def test_no_command_shows_what_a_damaged_file_of_secrets_holds(words: tuple[str, ...], damage: str) -> None:
    """The line and column of the damage, and no word of the line."""
    where = places.places("embedstack").create()
    YAML[damage](where.secrets, yaml.safe_dump(GOOD_SECRETS).encode())

    status, said = _run(*words)

    assert status == 2
    assert "secrets.yaml" in said
    assert SECRET[:7] not in said


@pytest.mark.parametrize(
    "words", [("config", "show"), ("config", "set", "model.id", "demo"), ("status",), ("up", "--dry-run")]
)
@pytest.mark.parametrize(
    "damage", ["a byte that is not UTF-8", "YAML's '0x_'", "a folder", "YAML's '!!bool x'", "a NUL"]
)
def test_a_command_refuses_damaged_settings(words: tuple[str, ...], damage: str, tmp_path: Path) -> None:
    """Whatever the verb: exit status 2 and the file's name."""
    YAML[damage](tmp_path / "embedstack.yaml", b"model: {id: demo}\n")

    status, said = _run(*words)

    assert status == 2
    assert "embedstack.yaml" in said


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    """Settings that were meant to count would silently not count."""
    (tmp_path / "embedstack.yaml").symlink_to(tmp_path / "gone.yaml")

    status, said = _run("config", "show")

    assert status == 2
    assert "embedstack.yaml: it is a link" in said


@pytest.mark.process
def test_dry_run_names_a_damaged_plan_and_changes_nothing() -> None:
    """The stack is planned as if it had never been brought up."""
    where = places.places("embedstack").create()
    where.plan.write_bytes(b"\xff")

    _, said = _run("up", "--dry-run", "--model", "demo", "--mode", "native", "--no-webui")

    assert str(where.plan) in said
    assert where.plan.read_bytes() == b"\xff"


def test_what_up_writes_again_keeps_the_damaged_one_beside_it() -> None:
    """So that nothing is lost that a person could still read."""
    where = places.places("embedstack").create()
    where.plan.write_bytes(b"\xff")

    record.write(where, KNOWN)

    assert record.read(where) == KNOWN
    assert [path.read_bytes() for path in where.root.glob("plan.json.damaged-*")] == [b"\xff"]


@pytest.mark.parametrize(
    "value", ["0x_", "2020-13-45", "9" * 5_000, "!!bool x", "[" * 2_000, '"\\ud800"', "\udcff", "1" * 400 + " GiB"]
)
@pytest.mark.parametrize("key", ["limits.texts", "limits.body_bytes", "security.api_keys"])
def test_a_flag_is_read_as_a_file_is(key: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same YAML on the command line and in a variable: exit status 2, the flag and the key."""
    if key == "security.api_keys" and "[" not in value and value != "\udcff":
        value = f"[{value}"

    assert serve.run(["--print-config", "--set", f"{key}={value}"]) == 2
    assert f"--set: {key}: " in capsys.readouterr().err


# --- caches and models --------------------------------------------------------------------------------------------


def test_a_row_of_another_type_is_thrown_away_alone(tmp_path: Path) -> None:
    """One bit of SQLite's record makes text of bytes, and a number is where a time should be."""
    store = DiskStore(tmp_path, 64 * 2**20)
    store.open()
    store.put([(bytes([n]) * 32, b"x" * 100) for n in range(4)])
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        db.execute("UPDATE vectors SET used = 'soon' WHERE number = 1")
        db.execute("UPDATE vectors SET value = 'text' WHERE number = 2")
        db.execute("UPDATE vectors SET key = 7 WHERE number = 3")
        db.commit()

    store = DiskStore(tmp_path, 64 * 2**20)
    store.open()
    found = store.find([bytes([n]) * 32 for n in range(4)])

    assert {bytes([0]) * 32: b"x" * 100, bytes([1]) * 32: b"text", bytes([3]) * 32: b"x" * 100} == found
    assert store.new_keys(10)
    assert (store.state, store.faults) == ("on", 0)
    store.close()
