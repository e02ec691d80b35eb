"""Every key of a catalogue entry left out, emptied, or of a wrong type: it works, or is refused by file and place."""

import asyncio
import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from embedstack.bridge.backends.base import Call, Embedded, EngineFacts
from embedstack.bridge.backends.openai import OpenAIBackend
from embedstack.bridge.engines import choose
from embedstack.bridge.engines.engine import EngineLimits
from embedstack.bridge.errors import BridgeError
from embedstack.bridge.parity.gate import Gate
from embedstack.bridge.parity.golden import GoldenStore
from embedstack.bridge.request import KeepAlive
from embedstack.bridge.settings.structs import Settings
from embedstack.bridge.text.length import limit_of
from embedstack.deploy.plan import decide
from embedstack.models import catalog
from embedstack.models.catalog import CatalogError, Model
from embedstack.vectors.mrl import Vectors
from tests.unit.bridge.toy_backend import ToyBackend

pytestmark = pytest.mark.slow

ID = "own"
_ABSENT = object()
EMPTY: tuple[Any, ...] = (_ABSENT, None, "", [], {})
WRONG: tuple[Any, ...] = ("text", "\x00", -1, 0, 1.5, 1e300, 10**30, True, [1], ["a", "a"], {"a": 1}, {"": None})


def entry() -> dict[str, Any]:
    return copy.deepcopy(_entry())


@cache
def _entry() -> dict[str, Any]:
    """One that uses every key: the demo's, with what only others have."""
    shipped = yaml.safe_load((catalog.DATA / "catalog.yaml").read_text(encoding="utf-8"))
    made: dict[str, Any] = copy.deepcopy(shipped["models"]["demo"])
    golden = yaml.safe_load((catalog.DATA / "demo" / "golden.yaml").read_text(encoding="utf-8"))
    made["reference"] = golden | {"scores": golden["scores"][:1], "traps": ["import"]}
    made |= {
        "names": ["own-name"],
        "display": "own:display",
        "min_dimensions": 32,
        "style": "qwen3",
        "reasons": {},
        "tasks": {"query": {"instruction": "Find it", "symmetric": False, "source": "mine"}},
        "safetensors": copy.deepcopy(shipped["models"]["qwen3-embedding:4b"]["safetensors"]),
        "unsound": {"bf16": "for the test"},
    }
    made["files"][0] |= {"reason": "known", "tags": ["own:f16"]}
    return made


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key and index, but of long lists of like things."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from places(inner, (*at, index))


def changed(at: tuple[Any, ...], to: Any) -> dict[str, Any]:
    whole = entry()
    inner: Any = whole
    for step in at[:-1]:
        inner = inner[step]
    if to is _ABSENT:
        del inner[at[-1]]
    else:
        inner[at[-1]] = to
    return whole


@dataclass
class Sound(ToyBackend):
    """Counts as the catalogue says; its vectors are the texts' own."""

    model: Model

    async def embed(
        self,
        texts: Sequence[str],
        *,
        keep_alive: KeepAlive = None,  # noqa: ARG002 -- Backend's
        as_float: bool = False,  # noqa: ARG002 -- Backend's
        call: Call | None = None,  # noqa: ARG002 -- Backend's
    ) -> Embedded:
        known = self.model.reference
        assert known is not None
        counts = dict(zip(known.texts, known.tokens, strict=True))
        rows = [vector(text, self.model.dimensions) for text in texts]
        return Embedded(np.stack(rows), sum(counts.get(text, 1) for text in texts))


@cache
def vector(text: str, size: int) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).standard_normal(size)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def use(model: Model) -> None:
    """What bridge and toolkit do with an entry, as far as that needs no engine."""
    settings = Settings()
    engine = msgspec.structs.replace(settings.engine, kind="openai", url="http://127.0.0.1:1")
    choose.members(settings, [engine], model, None)
    choose.members(settings, [msgspec.structs.replace(engine, kind="ollama")], model, None)
    limit_of(model.context.recommended)
    for file in model.files:
        decide.fit(model, file, 10**9, model.context.recommended, flash_attention=True)
        model.names_for(file.quantisation)
    facts = EngineFacts("openai", "1", ID, None)
    gate = Gate(model, None, GoldenStore(None), style="qwen3", special_tokens="keep")
    verdict = asyncio.run(gate.examine(Sound(model), facts, 1, others=lambda: False))
    assert verdict.findings


def loaded(path: Path) -> Model | str:
    """The model, or what the catalogue is refused with."""
    try:
        return catalog.load(path).models[ID]
    except CatalogError as error:
        return str(error)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What each file says, as parsed: a thousand times YAML would take minutes."""
    read, known = catalog._read, dict[str, dict[str, Any]]()

    def remembered(file: Path, name: str) -> dict[str, Any]:
        if name not in known:
            known[name] = read(file, name)
        return copy.deepcopy(known[name])

    monkeypatch.setattr(catalog, "_read", remembered)
    return known


CASES = [(at, to) for at in places(entry()) for to in (*EMPTY, *WRONG)]


def test_every_key_left_out_emptied_or_of_a_wrong_type(tmp_path: Path, documents: dict[str, dict[str, Any]]) -> None:
    """An error names the file and the model; whatever is taken can be used."""
    assert len(CASES) > 500
    path, taken = tmp_path / "own.yaml", 0
    for at, to in CASES:
        documents[str(path)] = {"models": {ID: changed(at, to)}}
        model = loaded(path)
        if isinstance(model, str):
            assert model.startswith(f"{path}: models.{ID}"), (at, to)
            continue
        taken += 1
        try:
            use(model)
        except Exception as error:
            raise AssertionError(f"{at} = {to!r} is taken, and ends in {error!r}") from error
    assert taken > 50


def test_a_model_without_reference_scores_is_served(tmp_path: Path) -> None:
    """Texts and their tokens are enough: an engine is held against itself, its pool and what it made before."""
    path = tmp_path / "own.yaml"
    bare = {"texts": ["one", "two"], "tokens": [2, 2]}
    for reference in (bare, bare | {"queries": [], "documents": [], "margin": 0, "scores": [], "tolerances": {}}):
        path.write_text(yaml.safe_dump({"models": {ID: entry() | {"reference": reference}}}), encoding="utf-8")
        model = catalog.load(path).models[ID]
        gate = Gate(model, None, GoldenStore(None), style="qwen3", special_tokens="keep")
        facts = EngineFacts("openai", "1", ID, None)
        assert asyncio.run(gate.examine(Sound(model), facts, 1, others=lambda: False)).failed == []


@pytest.mark.parametrize(
    ("at", "to", "said"),
    [
        (("reference", "texts"), [], "reference: texts is empty; write at least one text"),
        (("reference", "texts"), _ABSENT, "reference.texts: missing; expected a list, each text"),
        (("reference", "tokens"), [1], "reference: 8 texts but 1 token counts"),
        (("reference", "documents"), [2], "reference: scores for f16 are not 4 x 1"),
        (("header", "required", "tokenizer.ggml.eos_token_id"), "7", "must be a whole number, got '7'"),
        (("header", "required", "qwen3.block_count"), True, "must be a whole number, got True"),
        (("dimensions",), 16, "min_dimensions is 32, more than the 16 of dimensions"),
        (("context", "recommended"), 99999, "context: recommended is 99999, more than the 40960 of trained"),
        (("files", 0, "quantisation"), "", "files[0].quantisation: expected text that is not empty, got ''"),
    ],
)
def test_what_is_required_is_said_with_its_place(tmp_path: Path, at: tuple[Any, ...], to: Any, said: str) -> None:
    """And with what to write."""
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"models": {ID: changed(at, to)}}), encoding="utf-8")

    with pytest.raises(CatalogError) as caught:
        catalog.load(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: models.{ID}")


def test_an_empty_text_is_refused_where_nobody_knows_the_end_token() -> None:
    """Of a model without `tokenizer.ggml.eos_token_id`; every other text is served."""
    model = catalog.load().models["demo"]
    header = msgspec.structs.replace(model.header, required={})
    engine = msgspec.structs.replace(Settings().engine, kind="openai", url="http://127.0.0.1:1")
    (member,) = choose.members(Settings(), [engine], msgspec.structs.replace(model, header=header), None)
    assert member.limits == EngineLimits(batch=32, attempts=3)
    assert isinstance(member.backend, OpenAIBackend)

    with pytest.raises(BridgeError, match="does not say which") as refused:
        asyncio.run(member.backend.embed(["text", ""]))
    assert refused.value.about_text
