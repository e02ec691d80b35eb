"""The gate of a Hugging Face folder: what vLLM would make of it, from its small files and its shards' headers."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstack.deploy.errors import ModelRefused
from embedstack.deploy.gates import safetensors
from embedstack.deploy.gates.gate import accept
from embedstack.deploy.gates.hf_files import PostProcessor, added
from embedstack.deploy.models.files import check_model
from embedstack.models import catalog
from embedstack.models.catalog import Model
from embedstack.models.demo.build import DemoFiles
from tests.reference.controls import CONTROLS

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture(scope="module")
def model() -> Model:
    return catalog.load().models["demo"]


@pytest.fixture
def folder(demo: DemoFiles, tmp_path: Path) -> Path:
    """The demo model's folder, to be spoilt; its weights are a sparse file."""
    copy = tmp_path / "hf"
    shutil.copytree(demo.hf, copy, ignore=shutil.ignore_patterns("model.safetensors"))
    with (demo.hf / "model.safetensors").open("rb") as whole, (copy / "model.safetensors").open("wb") as sparse:
        sparse.write(whole.read(100_000))
        sparse.truncate((demo.hf / "model.safetensors").stat().st_size)
    return copy


def _edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")


def _shard(path: Path, *tensors: str, data: int = 64) -> None:
    """A safetensors file of so many f32 tensors of 64 bytes; `data` are the bytes that it has of the last one."""
    spans = {name: [64 * n, 64 * n + 64] for n, name in enumerate(tensors)}
    entries = {name: {"dtype": "F32", "shape": [16], "data_offsets": span} for name, span in spans.items()}
    header = json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64 * (len(tensors) - 1) + data))


def _sharded(folder: Path, weight_map: dict[str, str]) -> None:
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 192}, "weight_map": weight_map}))
    _shard(folder / FIRST, "a", "b")
    _shard(folder / SECOND, "c")


WHOLE = {"a": FIRST, "b": FIRST, "c": SECOND}


# --- right folders ----------------------------------------------------------------------------------------------


def test_the_demo_models_folder_passes(demo: DemoFiles, model: Model) -> None:
    """As it is built, and by the command too."""
    assert {verdict.severity for verdict in accept(demo.hf, model)} == {"pass"}
    assert check_model(demo.hf, "demo").verdicts == accept(demo.hf, model)


def test_a_folder_of_shards_passes(folder: Path, model: Model) -> None:
    """The index names them, each is there, and each is as long as its header says."""
    _sharded(folder, WHOLE)

    assert {FIRST, SECOND} <= {verdict.field for verdict in accept(folder, model)}


# --- one mistake each -------------------------------------------------------------------------------------------


def _template(pieces: list[dict[str, Any]], **tokens: int) -> dict[str, Any]:
    special = {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in tokens.items()}
    return {"type": "TemplateProcessing", "single": pieces, "pair": [], "special_tokens": special}


TEXT = {"Sequence": {"id": "A", "type_id": 0}}
EOS = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
ONE = _template([TEXT, EOS], **{"<|endoftext|>": 7212})
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        (None, "at the end: nothing; it must be <|endoftext|>"),
        (BYTES, "at the end: nothing; it must be <|endoftext|>"),
        ({"type": "Sequence", "processors": [BYTES]}, "at the end: nothing; it must be <|endoftext|>"),
        (_template([TEXT]), "id at the end: nothing; it must be 7212"),
        ({"type": "Sequence", "processors": [ONE, ONE]}, "end: <|endoftext|>, <|endoftext|>; it must be <|endoftext|>"),
        (_template([TEXT, EOS, EOS], **{"<|endoftext|>": 7212}), "id at the end: 7212, 7212; it must be 7212"),
        (_template([EOS, TEXT], **{"<|endoftext|>": 7212}), "at the beginning: <|endoftext|>; it must be nothing"),
        (_template([TEXT, EOS], **{"<|endoftext|>": 7214}), "id at the end: 7214; it must be 7212"),
        (_template([TEXT, EOS]), "id at the end: None; it must be 7212"),
        ({"type": "Invented"}, "at the end: what Invented adds; it must be <|endoftext|>"),
        (
            {"type": "BertProcessing", "sep": ["<|endoftext|>", 7212], "cls": ["[CLS]", 1]},
            "at the beginning: [CLS]; it must be nothing",
        ),
    ],
)
def test_a_tokenizer_that_does_not_append_eos_exactly_once_is_refused(
    folder: Path, model: Model, processor: dict[str, Any] | None, said: str
) -> None:
    """None, two, another one, one in front: each is named, with where such folders come from."""
    _edit(folder / "tokenizer.json", lambda whole: {**whole, "post_processor": processor})

    with pytest.raises(ModelRefused) as refused:
        accept(folder, model)

    assert f"tokenizer.json post_processor, {'' if said.startswith(('at', 'id')) else 'at the '}{said}" in str(
        refused.value
    )
    assert "dropped its post-processor" in refused.value.message


def test_one_template_alone_appends_eos_once(folder: Path, model: Model) -> None:
    """With no Sequence around it, as older files have it."""
    _edit(folder / "tokenizer.json", lambda whole: {**whole, "post_processor": ONE})

    assert accept(folder, model)


def test_a_later_processor_adds_outside_of_an_earlier_one() -> None:
    """As the tokenizers library runs them: the second one's tokens enclose the first one's."""
    inner = _template([{"SpecialToken": {"id": "1"}}, TEXT, {"SpecialToken": {"id": "2"}}], **{"1": 1, "2": 2})
    outer = _template([{"SpecialToken": {"id": "3"}}, TEXT, {"SpecialToken": {"id": "4"}}], **{"3": 3, "4": 4})
    found = added(msgspec.convert({"type": "Sequence", "processors": [inner, outer]}, PostProcessor))

    assert [token.text for token in found.before] == ["3", "1"]
    assert [token.text for token in found.after] == ["2", "4"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pooling_mode_lasttoken": False, "pooling_mode_mean_tokens": True}, "pooling mode: mean_tokens"),
        ({"pooling_mode_mean_tokens": True}, "pooling mode: mean_tokens, lasttoken"),
        ({"pooling_mode_lasttoken": False}, "pooling mode: nothing"),
        ({"pooling_mode": "mean", "pooling_mode_lasttoken": False}, "pooling mode: mean;"),
        ({"word_embedding_dimension": 1024}, "word_embedding_dimension: 1024; it must be 2560"),
    ],
)
def test_another_pooling_is_refused(folder: Path, model: Model, change: dict[str, Any], said: str) -> None:
    """Only the last token's, and that alone."""
    _edit(folder / "1_Pooling/config.json", lambda pooling: {**pooling, **change})

    with pytest.raises(ModelRefused, match=f"1_Pooling/config.json {said}"):
        accept(folder, model)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_size": 1024}, "hidden_size: 1024; it must be 2560"),
        ({"hidden_size": None}, "hidden_size: absent; it must be 2560"),
        ({"model_type": "qwen2"}, "model_type: qwen2; it must be qwen3"),
        (
            {"architectures": ["Qwen3ForSequenceClassification"]},
            "architectures: Qwen3ForSequenceClassification; it must",
        ),
        ({"num_hidden_layers": 36}, "num_hidden_layers: 36; it must be 1"),
        ({"rope_theta": 1e4}, "rope_theta: 10000; it must be 1000000"),
        ({"rope_theta": None, "rope_parameters": {"rope_theta": 1e4}}, "rope_theta: 10000; it must be 1000000"),
    ],
)
def test_another_models_config_is_refused(folder: Path, model: Model, change: dict[str, Any], said: str) -> None:
    """Its family, its class, its sizes."""
    _edit(folder / "config.json", lambda config: {**config, **change})

    with pytest.raises(ModelRefused, match=f"config.json {said}"):
        accept(folder, model)


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "model.safetensors"]
)
def test_a_missing_or_damaged_file_is_refused_by_name(folder: Path, model: Model, name: str) -> None:
    """Absent; a pointer of Git LFS; JSON of another kind; JSON nested without end."""
    (folder / name).unlink()
    with pytest.raises(ModelRefused, match=f"{name}: (is missing|absent)"):
        accept(folder, model)
    for content in (b"version https://git-lfs.github.com/spec/v1\n", b"7", b"[" * 100_000, b"\xff\xfe", b""):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelRefused, match=f"{name}: is (damaged|cut)"):
            accept(folder, model)


def test_a_folder_that_does_not_normalise_is_warned_about(folder: Path, model: Model) -> None:
    """The bridge makes unit vectors of them, so they do no harm."""
    _edit(folder / "modules.json", lambda modules: modules[:2])

    (warning,) = [verdict for verdict in accept(folder, model) if verdict.severity == "warn"]

    assert warning.field == "modules.json, Normalize"


@pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
def test_a_module_outside_of_the_folder_is_not_opened(folder: Path, model: Model, path: str) -> None:
    """modules.json comes from strangers."""
    _edit(folder / "modules.json", lambda modules: [modules[0], {**modules[1], "path": path}])

    with pytest.raises(ModelRefused, match="leads out of the folder"):
        accept(folder, model)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / SECOND).unlink(), f"{SECOND}: absent; it must be there"),
        (lambda folder: _shard(folder / SECOND, "c", data=63), rf"{SECOND}: 1\d\d bytes; it must be 1\d\d bytes"),
        (lambda folder: _shard(folder / SECOND, "c", data=65), rf"{SECOND}: 1\d\d bytes; it must be 1\d\d bytes"),
        (lambda folder: _shard(folder / SECOND, "d"), f"{SECOND}: 1 tensors missing, c the first"),
        (
            lambda folder: (folder / SECOND).write_bytes(b"\xff" * 100),
            f"{SECOND}: is cut, or is not a safetensors file",
        ),
        (lambda folder: (folder / SECOND).write_bytes(b"\0" * 5), f"{SECOND}: is cut, or is not a safetensors file"),
        (lambda folder: (folder / INDEX).write_text('{"weight_map": {}}'), f"{INDEX}: names no file"),
        (lambda folder: (folder / INDEX).write_text("{}"), f"{INDEX}: is damaged"),
        (
            lambda folder: (folder / INDEX).write_text('{"weight_map": {"a": "../b"}}'),
            r"weight_map: \.\./b; it must be",
        ),
    ],
)
def test_shards_are_held_against_index_and_header(
    folder: Path, model: Model, spoil: Callable[[Path], object], said: str
) -> None:
    """Missing, cut, too long, another model's, no safetensors at all, an index that leads nowhere or elsewhere."""
    _sharded(folder, WHOLE)
    spoil(folder)

    with pytest.raises(ModelRefused, match=said):
        accept(folder, model)


@pytest.mark.parametrize("control", [c for c in CONTROLS if c.base == "demo" and c.files], ids=lambda c: c.name)
@pytest.mark.slow
def test_negative_controls_of_the_parity_suite_are_refused_before_any_engine(
    control: Any, model: Model, tmp_path: Path
) -> None:
    """What the small files show need not be found out from vectors."""
    with pytest.raises(ModelRefused):
        accept(control.write_hf(tmp_path / "hf"), model)


@settings(max_examples=100)
@given(data=st.data())
def test_any_damage_is_a_verdict(
    demo: DemoFiles, model: Model, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed or cut in a file: verdicts, and never another error."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    if not folder.exists():
        shutil.copytree(demo.hf, folder)
    name = data.draw(st.sampled_from(["config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json"]))
    whole = (demo.hf / name).read_bytes()
    at, new = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=4))
    cut = data.draw(st.none() | st.integers(0, len(whole)))
    try:
        (folder / name).write_bytes((whole[:at] + new + whole[at + len(new) :])[:cut])
        assert safetensors.examine(folder, model)
    finally:
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("key", ["torch_dtype", "dtype"])
@pytest.mark.parametrize(("dtype", "refused"), [("float16", True), ("bfloat16", False), ("float32", False)])
def test_a_folder_in_a_precision_that_overflows_is_refused(
    folder: Path, model: Model, key: str, dtype: str, refused: bool
) -> None:
    """By what config.json says of the weights, as older and newer transformers write it."""
    bf16 = catalog.load().models["qwen3-embedding:8b"].safetensors
    narrow = msgspec.structs.replace(model, unsound={"f16": "it overflows"}, safetensors=bf16)
    _edit(folder / "config.json", lambda config: {**config, "torch_dtype": None, key: dtype})

    failed = [verdict.field for verdict in safetensors.examine(folder, narrow) if verdict.severity == "fail"]
    assert failed == (["config.json dtype"] if refused else [])
