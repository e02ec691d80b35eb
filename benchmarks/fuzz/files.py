"""Damaged files before every reader: each raises what it says it raises, in time, and nothing else."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.fuzz import mutate
from benchmarks.fuzz.case import Chance
from embedstack.bridge.index.expectation import Expectation
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.bridge.settings import load as bridge_config
from embedstack.bridge.text import vocabulary
from embedstack.configuration.layers import ConfigError
from embedstack.deploy import config as stack_config
from embedstack.deploy import places, record, secrets
from embedstack.deploy.errors import DeployError
from embedstack.deploy.gates import gguf, safetensors
from embedstack.deploy.native import protocol as supervised
from embedstack.deploy.webui.index import record as index_record
from embedstack.models import catalog
from embedstack.models.gguf import header
from embedstack.models.model import CatalogError
from embedstack.readers import json_file, yaml_file
from embedstack.readers.content import Damaged

KNOWN = record.Record("embedstack", "native", "demo", "f16", 2560, "embedded", True, None, "http://127.0.0.1:1", None)
BOUND = 10.0  # seconds for one file
HEAD = 1_000_000  # bytes of a GGUF that are damaged: its header; of the rest nothing is read here
CORPUS = (
    *(
        "2020-13-45",
        "0x_",
        "!!bool x",
        "!!timestamp x",
        "&a [*a]",
        "*b",
        "<<: {a: 1}",
        "? [a]\n: b",
        "- - - a",
        "!!set {a}",
    ),
    *(
        "'",
        '"\\ud800"',
        "|\n  a\n b",
        ">-\n",
        "%YAML 1.1\n---",
        "---\n...\n---",
        "{a: {b: [1, 2",
        "a: b: c",
        "\t",
        "@",
        "`",
    ),
)


@dataclass(frozen=True)
class Reader:
    """`read` is given the damaged content and a folder of its own; `raises` is all that it may raise."""

    good: bytes
    read: Callable[[bytes, Path], object]
    raises: tuple[type[Exception], ...]


def readers(gguf_file: Path, hf: Path) -> dict[str, Reader]:
    """By kind."""
    return _of_models(gguf_file, hf) | _of_settings() | _of_state()


def _of_models(gguf_file: Path, hf: Path) -> dict[str, Reader]:
    model = catalog.load().find("demo").model
    head = gguf_file.read_bytes()[:HEAD]
    tensors = (hf / "model.safetensors").read_bytes()

    def folder(content: bytes, at: Path, name: str) -> object:
        shutil.copytree(hf, at / "hf", copy_function=_link)
        _write(at / "hf" / name, content)
        return safetensors.examine(at / "hf", model)

    return {
        "gguf header": Reader(head, lambda c, at: _gguf(_write(at / "a.gguf", c)), ()),
        "gguf gate": Reader(head, lambda c, at: gguf.examine(_write(at / "a.gguf", c), model), ()),
        "safetensors": Reader(tensors[:20_000], lambda c, at: folder(c, at, "model.safetensors"), ()),
        "hf config": Reader((hf / "config.json").read_bytes(), lambda c, at: folder(c, at, "config.json"), ()),
        "tokenizer.json": Reader(
            (hf / "tokenizer.json").read_bytes()[:200_000],
            lambda c, at: vocabulary.load(_write(at / "tokenizer.json", c)),
            (ValueError,),
        ),
        "catalogue": Reader(_catalogue(), lambda c, at: catalog.load(_write(at / "a.yaml", c)), (CatalogError,)),
    }


def _of_settings() -> dict[str, Reader]:
    return {
        "yaml": Reader(_catalogue()[:3_000], lambda c, _: yaml_file.parse(c.decode("utf-8", "replace")), (Damaged,)),
        "bridge settings": Reader(
            b"listen: {port: 1}\nmodel:\n  id: demo\nlimits: {texts: 5}\nsecurity: {api_keys: [a, b]}\n",
            lambda c, at: bridge_config.load(["--config", str(_write(at / "a.yaml", c))], {}),
            (ConfigError,),
        ),
        "stack settings": Reader(
            b"stack: {name: a}\nmodel:\n  id: demo\nports: {bridge: 1}\n",
            lambda c, at: stack_config.load({}, {}, at, file=_write(at / "a.yaml", c)),
            (DeployError,),
        ),
        "secrets": Reader(
            b"webui_secret_key: a\nwebui_admin_password: b\nbridge_key: c\nbridge_admin_key: d\n",
            lambda c, at: secrets.read(places.Places(_write(at / "secrets.yaml", c).parent), lambda _: None),
            (DeployError,),
        ),
    }


def _of_state() -> dict[str, Reader]:
    small = b'{"fingerprint":"0123456789abcdef","model":"demo","made":"x"}'
    part = {"spec": {"name": "a", "argv": ["b"]}, "who": None, "restarts": 0}
    parts = json.dumps({"pid": 1, "parts": [part]}).encode()
    index = json.dumps({"facts": {}, "complete": True, "store": None}).encode()
    return {
        "plan": Reader(
            json.dumps(asdict(KNOWN)).encode(),
            lambda c, at: record.read(places.Places(_write(at / "plan.json", c).parent)),
            (DeployError,),
        ),
        "supervisor": Reader(
            parts,
            lambda c, at: supervised.read_record(places.Places(_write(at / "run" / "supervisor.json", c).parents[1])),
            (),
        ),
        "index record": Reader(index, lambda c, at: index_record.read(_write(at / "i.json", c)), (DeployError,)),
        "expected index": Reader(
            small,
            lambda c, at: Expectation(_write(at / "index.json", c).parent, None, sizes=range(1), document_prefix=""),
            (),
        ),
        "golden vectors": Reader(
            b"\0" * 500,
            lambda c, at: GoldenStore(_write(at / "golden" / f"{'0' * 16}.npy", c).parents[1]).load("0" * 16),
            (),
        ),
        "json": Reader(small, lambda c, _: json_file.decode(c, dict[str, str]), (Damaged,)),
    }


def _catalogue() -> bytes:
    return (catalog.DATA / "catalog.yaml").read_bytes()


def content(reader: Reader, chance: Chance) -> bytes:
    """The good content, damaged."""
    act = chance.random()
    if act < 0.6:
        return mutate.damaged(reader.good, chance)
    if act < 0.8:
        at = chance.randint(0, len(reader.good))
        return reader.good[:at] + chance.choice(CORPUS).encode() + reader.good[at:]
    if act < 0.95:
        return mutate.encoded(mutate.changed({"a": [1, {"b": "c"}], "models": {}, "listen": {}}, chance), chance)
    return chance.randbytes(chance.randint(0, 300))


def attempt(reader: Reader, damaged: bytes, folder: Path) -> str | None:
    """What is wrong with how it was read; None where nothing is."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    try:
        reader.read(damaged, folder)
    except reader.raises:
        pass
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    took = time.monotonic() - began
    return f"it took {took:.1f} s" if took > BOUND else None


def _gguf(path: Path) -> None:
    for read in (
        lambda: header.read(path, ["general.architecture", "tokenizer.ggml.tokens"]),
        lambda: header.examine(path, ["general.architecture"]),
        lambda: vocabulary.load(path),
        lambda: vocabulary.quantisation_of(path),
    ):
        try:
            read()
        except (OSError, ValueError):
            continue


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(source)
