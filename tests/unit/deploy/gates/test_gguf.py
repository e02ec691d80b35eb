"""The gate of a GGUF: every mistake that makes wrong vectors is refused by name, and a right file passes in no time."""

import resource
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstack.deploy.errors import InvalidModel, ModelRefused
from embedstack.deploy.gates.gate import accept, examine
from embedstack.deploy.gates.verdict import GateVerdict, failures, refuse
from embedstack.deploy.models.files import check_model
from embedstack.models import catalog
from embedstack.models.catalog import Model
from embedstack.models.demo.build import DemoFiles, build, default_folder
from tests.random_fixture import RandomFixture
from tests.reference import gguf_bytes, sparse_4b
from tests.reference.controls import CONTROLS
from tests.reference.gguf_bytes import Value

SAFETENSORS = catalog.load().models["qwen3-embedding:8b"].safetensors  # in bf16
POOLING = "1_Pooling/config.json"  # what the converter lacked


@pytest.fixture(scope="module")
def model() -> Model:
    return catalog.load().models["demo"]


@pytest.fixture(scope="module")
def qwen() -> Model:
    return catalog.load().models["qwen3-embedding:4b"]


@pytest.fixture(scope="module")
def header() -> bytes:
    """The demo model's header."""
    return gguf_bytes.header_of(build(default_folder()).gguf)


@pytest.fixture
def big(tmp_path: Path, random_fixture: RandomFixture) -> Path:
    """The 4B at Q4_K_M but for its weights."""
    return sparse_4b.write(tmp_path / "Qwen3-Embedding-4B-Q4_K_M.gguf", random_fixture.gguf)


def _changed(folder: Path, header: bytes, changes: dict[str, Value], model: Model) -> Path:
    """The demo model with other header values; without data, but as long as it should be."""
    assert model.file().bytes is not None
    return gguf_bytes.sparse(folder / "wrong.gguf", gguf_bytes.patched(header, changes), model.file().bytes or 0)


# --- right files ------------------------------------------------------------------------------------------------


def test_the_demo_model_passes(demo: DemoFiles, model: Model) -> None:
    """Each fact that the catalogue knows has its verdict, and each is a pass."""
    verdicts = accept(demo.gguf, model)

    facts = model.header
    listed = len(facts.required) + len(facts.forbidden) + len(facts.expected) + len(facts.lengths)
    assert len(verdicts) == listed + len(("eos text", "tensors", "file length"))
    assert {verdict.severity for verdict in verdicts} == {"pass"}


def test_a_model_of_ones_own_is_held_against_what_its_entry_says(
    random_fixture: RandomFixture, demo: DemoFiles
) -> None:
    """The random-weights fixture's entry knows little more than the id of EOS."""
    own = catalog.load(random_fixture.catalog).models["random"]

    fields = {verdict.field for verdict in accept(random_fixture.gguf, own)}

    assert fields == {"tokenizer.ggml.eos_token_id", "file length"}
    with pytest.raises(ModelRefused, match=r"eos_token_id: 7212; it must be 151643"):
        accept(demo.gguf, own)


def test_the_native_dimension_is_asked_of_every_model(demo: DemoFiles, model: Model) -> None:
    """Even where the catalogue's entry names no embedding length."""
    header = msgspec.structs.replace(model.header, required={"general.architecture": "qwen3"})
    smaller = msgspec.structs.replace(model, header=header, dimensions=1024)

    with pytest.raises(ModelRefused, match=r"qwen3\.embedding_length: 2560; it must be 1024"):
        accept(demo.gguf, smaller)


def test_a_sparse_file_of_the_real_ones_size_passes_in_under_50_ms(big: Path, qwen: Model) -> None:
    """All of Qwen's vocabulary is passed, none of 2.5 GB of data is read, where the format's own reader takes ten
    seconds. Computing time, and the best of ten, since machines are busy.
    """
    published = qwen.file().bytes or 0
    assert published - 20_000 < big.stat().st_size < published  # a chat template and a licence are missing

    took = []
    for _ in range(10):
        began = time.process_time()
        verdicts = accept(big, qwen)
        took.append(time.process_time() - began)

    assert {verdict.severity for verdict in verdicts} == {"pass"}
    assert min(took) < 0.05, f"{min(took) * 1000:.1f} ms"
    print(f"GGUF gate: {min(took) * 1000:.1f} ms at best, {sorted(took)[5] * 1000:.1f} ms in the middle of ten")


def test_the_gate_of_a_large_file_takes_little_memory(big: Path, qwen: Model) -> None:
    """Resident, with the pages of the header counted: far below the file's size."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    accept(big, qwen)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


# --- one mistake each -------------------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Value], str, str]] = [
    ({"general.architecture": "qwen2"}, "general.architecture: qwen2; it must be qwen3", "another family"),
    ({"general.architecture": None}, "general.architecture: absent; it must be qwen3", "another family"),
    ({"qwen3.pooling_type": None}, "qwen3.pooling_type: absent; it must be 3 (LAST)", POOLING),
    ({"qwen3.pooling_type": 1}, "qwen3.pooling_type: 1 (MEAN); it must be 3 (LAST)", POOLING),
    ({"qwen3.pooling_type": 77}, "qwen3.pooling_type: 77 (unknown); it must be 3 (LAST)", POOLING),
    ({"tokenizer.ggml.add_eos_token": None}, "add_eos_token: absent; it must be true", "before June 2025"),
    ({"tokenizer.ggml.add_eos_token": False}, "add_eos_token: false; it must be true", "before June 2025"),
    ({"tokenizer.ggml.eos_token_id": 7214}, "eos_token_id: 7214; it must be 7212", "base or the chat model"),
    ({"tokenizer.ggml.eos_token_id": 7214}, "eos_token_id: <|im_end|>; it must be <|endoftext|>", "vocabulary"),
    ({"tokenizer.ggml.eos_token_id": 99999}, "eos_token_id: absent; it must be <|endoftext|>", "vocabulary"),
    ({"tokenizer.ggml.eos_token_id": None}, "tokenizer.ggml.eos_token_id: absent; it must be 7212", "chat model"),
    ({"tokenizer.ggml.add_bos_token": True}, "add_bos_token: true; it must be absent or not true", "begins its texts"),
    ({"tokenizer.ggml.pre": "llama"[:5]}, "tokenizer.ggml.pre: llama; it must be qwen2", "splitting texts"),
    ({"tokenizer.ggml.model": "bert"}, "tokenizer.ggml.model: bert; it must be gpt2", "kind of tokenizer"),
    ({"qwen3.embedding_length": 1024}, "qwen3.embedding_length: 1024; it must be 2560", "another model"),
    ({"qwen3.block_count": 36}, "qwen3.block_count: 36; it must be 1", "another model"),
    ({"qwen3.feed_forward_length": 65}, "qwen3.feed_forward_length: 65; it must be 64", "another model"),
    ({"qwen3.attention.head_count": 8}, "qwen3.attention.head_count: 8; it must be 4", "another model"),
    ({"qwen3.attention.head_count_kv": 8}, "qwen3.attention.head_count_kv: 8; it must be 4", "another model"),
    ({"qwen3.attention.key_length": 64}, "qwen3.attention.key_length: 64; it must be 128", "another model"),
    ({"qwen3.attention.value_length": 64}, "qwen3.attention.value_length: 64; it must be 128", "another model"),
    ({"qwen3.rope.freq_base": 1e7}, "qwen3.rope.freq_base: 1e+07; it must be 1000000", "another model"),
]


@pytest.mark.parametrize(("changes", "said", "origin"), WRONG, ids=lambda v: v if isinstance(v, str) else None)
def test_a_header_that_makes_wrong_vectors_is_refused(
    header: bytes, model: Model, tmp_path: Path, changes: dict[str, Value], said: str, origin: str
) -> None:
    """With what the file says, what it must say, where such files come from, and what to do next."""
    path = _changed(tmp_path, header, changes, model)

    with pytest.raises(ModelRefused) as refused:
        accept(path, model)

    (line,) = [line for line in refused.value.message.splitlines() if said in line]
    assert origin in line.partition("Such files come from")[2]
    assert str(path) in refused.value.message.splitlines()[0]
    assert "embedstack model pull demo" in refused.value.advice


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qwen3.context_length": 2048}, "qwen3.context_length: 2048; it must be 40960"),
        ({"qwen3.attention.layer_norm_rms_epsilon": 0.5}, "rms_epsilon: 0.5; it must be 1e-06"),
        ({"tokenizer.ggml.padding_token_id": 0}, "padding_token_id: 0; it must be 7212"),
        ({"tokenizer.ggml.bos_token_id": None}, "bos_token_id: absent; it must be 7212"),
    ],
)
def test_what_does_no_harm_by_itself_is_a_warning(
    header: bytes, model: Model, tmp_path: Path, changes: dict[str, Value], said: str
) -> None:
    """It is reported, and the file is taken."""
    verdicts = accept(_changed(tmp_path, header, changes, model), model)

    (warning,) = [verdict for verdict in verdicts if verdict.severity == "warn"]
    assert said in str(warning)


def test_a_number_is_no_true(header: bytes, model: Model, tmp_path: Path) -> None:
    """`add_eos_token` written as an integer is not what llama.cpp takes for true."""
    at = gguf_bytes.place(header, "tokenizer.ggml.add_eos_token")
    as_u8 = header[:at] + b"\0\0\0\0\1" + header[at + 5 :]

    with pytest.raises(ModelRefused, match=r"add_eos_token: 1; it must be true"):
        accept(gguf_bytes.sparse(tmp_path / "m.gguf", as_u8, model.file().bytes or 0), model)


@pytest.mark.parametrize(
    ("longer", "severity", "said"),
    [(-1, "fail", "file length"), (-40_000_000, "fail", "file length"), (1, "warn", "file length"), (0, None, "")],
)
def test_the_files_length_must_be_what_its_tensors_need(
    header: bytes, model: Model, tmp_path: Path, longer: int, severity: str | None, said: str
) -> None:
    """Shorter is refused: a download was cut. Longer is reported and taken."""
    path = gguf_bytes.sparse(tmp_path / "m.gguf", header, (model.file().bytes or 0) + longer)

    found = {verdict.field: verdict.severity for verdict in examine(path, model) if verdict.severity != "pass"}

    assert found == ({said: severity} if severity else {})


def test_the_tensors_are_counted(demo: DemoFiles, model: Model) -> None:
    """Where the catalogue knows how many there are: 398 in the 4B, whatever its quantisation."""
    wrong = msgspec.structs.replace(model, header=msgspec.structs.replace(model.header, tensors=398))

    with pytest.raises(ModelRefused, match=r"tensors: 13; it must be 398"):
        accept(demo.gguf, wrong)


def test_another_vocabulary_is_a_warning_by_its_length(demo: DemoFiles, model: Model) -> None:
    """The base model's 151,936 tokens in place of the 4B's 151,665."""
    lengths = {"tokenizer.ggml.tokens": 151665}
    wrong = msgspec.structs.replace(model, header=msgspec.structs.replace(model.header, lengths=lengths))

    (warning,) = [verdict for verdict in accept(demo.gguf, wrong) if verdict.severity == "warn"]

    assert str(warning).startswith("length of tokenizer.ggml.tokens: 7215; it must be 151665.")


@pytest.mark.parametrize("name", ["mean pooling", "EOS missing", "EOS doubled", "EOS of another id"])
@pytest.mark.slow
def test_negative_controls_of_the_parity_suite_are_refused_before_any_engine(
    name: str, model: Model, tmp_path: Path
) -> None:
    """What the header shows need not be found out from vectors. (Other controls are wrong in their weights alone.)"""
    (control,) = [control for control in CONTROLS if control.name == name]

    with pytest.raises(ModelRefused):
        accept(control.write_gguf(tmp_path / "control.gguf"), model)


# --- no GGUF at all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2496703776\n", "is not a GGUF file"),
        (b"<!DOCTYPE html>", "is not a GGUF file"),
        (b"GGUF\3\0\0\0", "breaks off"),
    ],
)
def test_what_is_no_gguf_is_refused(tmp_path: Path, model: Model, content: bytes, said: str) -> None:
    """A pointer of Git LFS, a login page, the beginning of a file."""
    (path := tmp_path / "m.gguf").write_bytes(content)

    with pytest.raises(ModelRefused, match=said):
        accept(path, model)


def test_what_cannot_be_read_is_said(tmp_path: Path, model: Model) -> None:
    """A path that leads nowhere, and one that is neither a file nor a folder."""
    for path in (tmp_path / "absent.gguf", Path("/dev/null")):
        with pytest.raises(InvalidModel, match="neither a file nor a folder"):
            accept(path, model)


@settings(max_examples=100)
@given(cut=st.integers(0, 300_000), at=st.integers(0, 300_000), new=st.binary(min_size=1, max_size=8))
def test_any_damage_is_a_verdict(
    header: bytes, model: Model, tmp_path_factory: pytest.TempPathFactory, cut: int, at: int, new: bytes
) -> None:
    """A cut header and a changed one: verdicts, and of a cut one at least one failure."""
    changed = header[:at] + new + header[at + len(new) :]
    folder = tmp_path_factory.getbasetemp()

    assert examine(gguf_bytes.sparse(folder / "changed.gguf", changed, model.file().bytes or 0), model)
    assert failures(examine(gguf_bytes.sparse(folder / "cut.gguf", header[:cut], min(cut, len(header))), model))


# --- the command ------------------------------------------------------------------------------------------------


def test_every_failure_is_named_and_no_pass_is() -> None:
    """One line a failure, under the file's name."""
    good = GateVerdict("a", "1", "1", "pass", "nowhere")
    bad = GateVerdict("b", "absent", "2", "fail", "a bad converter")

    refuse(Path("m.gguf"), "demo", [good, replace(good, severity="warn")])
    with pytest.raises(ModelRefused) as refused:
        refuse(Path("m.gguf"), "demo", [good, bad, replace(bad, field="c")])

    assert refused.value.message == (
        "m.gguf would give wrong vectors:\n"
        "  - b: absent; it must be 2. Such files come from a bad converter.\n"
        "  - c: absent; it must be 2. Such files come from a bad converter."
    )


def test_the_command_takes_any_name_of_a_model(demo: DemoFiles, random_fixture: RandomFixture) -> None:
    """And says which model it was; one that is none is an error with the nearest name."""
    assert check_model(random_fixture.gguf, "random", random_fixture.catalog).model == "random"
    assert check_model(demo.gguf, "demo:latest").model == "demo"
    with pytest.raises(InvalidModel, match="did you mean"):
        check_model(demo.gguf, "dmo")
    with pytest.raises(ModelRefused, match=r"qwen3\.block_count: 1; it must be 36"):
        check_model(demo.gguf, "qwen3-embedding:4b")


@pytest.mark.parametrize(("kind", "refused"), [(1, True), (7, False), (15, False), (32, False), (0, False)])
def test_a_precision_at_which_the_model_overflows_is_refused(
    tmp_path: Path, header: bytes, model: Model, kind: int, refused: bool
) -> None:
    """f16 alone of f16, Q8_0, Q4_K_M, bf16 and f32; and only of a model that the catalogue says it of."""
    narrow = msgspec.structs.replace(model, unsound={"f16": "it overflows"}, safetensors=SAFETENSORS)
    path = _changed(tmp_path, header, {"general.file_type": kind}, model)

    found = [verdict for verdict in failures(examine(path, narrow)) if verdict.field == "general.file_type"]
    assert bool(found) is refused
    assert [verdict.must for verdict in found] == [narrow.sound] * len(found)
    assert failures(verdict for verdict in examine(path, model) if verdict.field == "general.file_type") == ()
