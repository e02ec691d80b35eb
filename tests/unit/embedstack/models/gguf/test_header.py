"""The reader of GGUF headers: exact on whole files, and an error, soon and in little memory, on every other."""

import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gguf import GGML_QUANT_SIZES, GGUFReader, GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from embedstack.models.demo.build import DemoFiles, build, default_folder
from embedstack.models.gguf import header as gguf_header
from embedstack.models.gguf import tensors as gguf_tensors
from tests.random_fixture import RandomFixture
from tests.reference import gguf_bytes
from tests.reference.gguf_bytes import text

KEYS = ("general.architecture", "general.name", "tokenizer.ggml.pre", "qwen3.pooling_type")
SECONDS, BYTES = 15.0, 100_000_000  # the most that any file may cost, of a slow machine's processor and of memory
SPARSE = 2_500_000_000
U32, TEXT, ARRAY = 4, 8, 9


@pytest.fixture(scope="module")
def header() -> bytes:
    """The demo model's header."""
    return gguf_bytes.header_of(build(default_folder()).gguf)


@contextmanager
def bounded() -> Iterator[None]:
    """What runs in here must be done soon, and must not fill the memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < SECONDS


# --- whole files ------------------------------------------------------------------------------------------------


def test_header_values_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Numbers of every width, booleans, strings, arrays; keys that are not there are left out."""
    writer = GGUFWriter(tmp_path / "all.gguf", "qwen3")
    writer.add_uint8("u8", 255)
    writer.add_int8("i8", -128)
    writer.add_uint16("u16", 65535)
    writer.add_int16("i16", -32768)
    writer.add_uint32("u32", 2**32 - 1)
    writer.add_int32("i32", -(2**31))
    writer.add_uint64("u64", 2**64 - 1)
    writer.add_int64("i64", -(2**63))
    writer.add_float32("f32", 0.5)
    writer.add_float64("f64", 0.1)
    writer.add_bool("yes", val=True)
    writer.add_string("text", "年假")
    writer.add_array("numbers", [1, 2, 3])
    writer.add_array("texts", ["a", "", "年"])
    writer.add_string("last", "end")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    expected = {
        **{"u8": 255, "i8": -128, "u16": 65535, "i16": -32768, "u32": 2**32 - 1, "i32": -(2**31)},
        **{"u64": 2**64 - 1, "i64": -(2**63), "f32": 0.5, "f64": 0.1, "yes": True, "text": "年假"},
        **{"numbers": [1, 2, 3], "texts": ["a", "", "年"], "last": "end", "general.architecture": "qwen3"},
    }

    assert expected == gguf_header.read(tmp_path / "all.gguf", [*expected, "absent"])
    assert gguf_header.read(tmp_path / "all.gguf", ["last"]) == {"last": "end"}

    whole = (tmp_path / "all.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: whole.rindex(b"end") + 2])
    with pytest.raises(ValueError, match="breaks off"):
        gguf_header.read(tmp_path / "cut.gguf", ["last"])


def test_a_whole_header_is_what_the_format_s_own_reader_finds(demo: DemoFiles) -> None:
    """Tensors with name, shape, type and offset, arrays' lengths, where the data begin and end."""
    reader = GGUFReader(demo.gguf)

    found = gguf_header.examine(demo.gguf, KEYS)

    assert [(t.name, list(t.shape), t.kind, t.offset) for t in found.tensors] == [
        (t.name, list(t.shape), int(t.tensor_type), int(t.field.parts[-1][0])) for t in reader.tensors
    ]
    assert [t.bytes for t in found.tensors] == [t.n_bytes for t in reader.tensors]
    assert found.lengths == {k: len(f.data) for k, f in reader.fields.items() if f.types and f.types[0] == ARRAY}
    assert {key: reader.fields[key].contents() for key in KEYS} == {key: found.values[key] for key in KEYS}
    assert (found.data, found.alignment) == (reader.data_offset, reader.alignment)
    assert found.end == found.bytes == demo.gguf.stat().st_size
    assert found.eos == "<|endoftext|>"


def test_every_token_of_the_real_vocabulary_is_found_again(random_fixture: RandomFixture, tmp_path: Path) -> None:
    """The quick way past 300,000 strings, some of them long, lands on the right one wherever it is asked to."""
    tokens = gguf_header.read(random_fixture.gguf, ["tokenizer.ggml.tokens"])["tokenizer.ggml.tokens"]
    whole = gguf_bytes.header_of(random_fixture.gguf)
    assert isinstance(tokens, list)
    longest = max(range(len(tokens)), key=lambda n: len(str(tokens[n])))

    for index in (0, 1, 63, 64, 65, longest, longest + 1, 90_000, 151_643, 151_664):
        changed = gguf_bytes.patched(whole, {gguf_header.EOS_ID: index})
        path = gguf_bytes.sparse(tmp_path / "one.gguf", changed, len(changed))
        assert tokens[index] == gguf_header.examine(path, []).eos, index


@pytest.mark.parametrize("index", [7215, 2**32 - 1])
def test_an_eos_id_that_no_token_has_means_none(header: bytes, tmp_path: Path, index: int) -> None:
    """Behind the vocabulary's end there is no token."""
    changed = gguf_bytes.patched(header, {gguf_header.EOS_ID: index})

    assert gguf_header.examine(gguf_bytes.sparse(tmp_path / "m.gguf", changed, len(changed)), []).eos is None


def test_tensors_are_as_long_as_ggml_makes_them() -> None:
    """Weights and bytes a block are those of the `gguf` package, for every type that is known here."""
    theirs = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}

    assert gguf_tensors._BLOCKS.items() <= theirs.items()
    assert {int(kind) for kind in (0, 1, 2, 8, 12, 13, 14, 30)} <= gguf_tensors._BLOCKS.keys()


def test_a_tensor_of_a_type_from_the_future_leaves_the_end_open(header: bytes, tmp_path: Path) -> None:
    """Its length cannot be known; the rest of the header can."""
    at = header.index(text("token_embd.weight")) + len(text("token_embd.weight")) + 20
    changed = header[:at] + struct.pack("<I", 999) + header[at + 4 :]

    found = gguf_header.examine(gguf_bytes.sparse(tmp_path / "m.gguf", changed, len(changed)), KEYS)

    assert found.end is None
    assert len(found.tensors) == 13


# --- damaged files ----------------------------------------------------------------------------------------------


def _key(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def _file(*keys: bytes, tensors: int = 0, listed: bytes = b"", count: int | None = None) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", 3, tensors, len(keys) if count is None else count)
    return head + b"".join(keys) + listed


def _tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


DAMAGED = {
    "more keys than any model has": _file(count=2**63),
    "more tensors than any model has": _file(tensors=2**63),
    "keys without end": _file(count=2**16),
    "tensors without end": _file(tensors=2**16),
    "strings without end": _file(_key(b"a", ARRAY, struct.pack("<IQ", TEXT, 2**40))),
    "as many strings as may be": _file(_key(b"a", ARRAY, struct.pack("<IQ", TEXT, 2**21)), count=3),
    "the same once more": _file(
        *(_key(b, ARRAY, struct.pack("<IQ", TEXT, 2**20) + bytes(2**23)) for b in (b"a", b"b", b"c"))
    ),
    "numbers without end": _file(_key(b"a", ARRAY, struct.pack("<IQ", U32, 2**61))),
    "arrays in arrays": _file(_key(b"a", ARRAY, struct.pack("<IQ", ARRAY, 2**20) * 1000)),
    "a key of two gigabytes": _file(struct.pack("<Q", 2**31 - 100)),
    "a value of two gigabytes": _file(_key(b"general.name", TEXT, struct.pack("<Q", 2**31 - 100))),
    "a value longer than can be": _file(_key(b"a", TEXT, struct.pack("<Q", 2**64 - 1)), count=2),
    "a key twice": _file(_key(b"a", U32, bytes(4)), _key(b"a", U32, bytes(4))),
    "a type that is none": _file(_key(b"a", 77, b"")),
    "an alignment of 0": _file(_key(b"general.alignment", U32, bytes(4))),
    "an alignment of 48": _file(_key(b"general.alignment", U32, struct.pack("<I", 48))),
    "an alignment that is a text": _file(_key(b"general.alignment", TEXT, text("32"))),
    "a tensor of a thousand dimensions": _file(tensors=1, listed=text("t") + struct.pack("<I", 1000)),
    "half a block": _file(tensors=1, listed=_tensor("t", (100,), kind=12)),
    "tensors one upon the other": _file(tensors=2, listed=_tensor("t", (64,)) + _tensor("u", (64,))),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
@pytest.mark.slow
def test_what_a_damaged_header_claims_is_not_believed(content: bytes, tmp_path: Path) -> None:
    """Of 2.5 GB with one lie in its header: refused, soon, and without filling the memory."""
    path = gguf_bytes.sparse(tmp_path / "lie.gguf", content, SPARSE)

    with bounded(), pytest.raises(ValueError, match=r"lie\.gguf breaks off or is damaged in its header: \w"):
        gguf_header.examine(path, KEYS)


def test_strings_of_a_megabyte_end_the_reading(tmp_path: Path) -> None:
    """Each alone would pass; together they would fill the memory."""
    keys = [_key(n.to_bytes(2**20, "little"), U32, bytes(4)) for n in range(80)]
    path = gguf_bytes.sparse(tmp_path / "m.gguf", _file(*keys), SPARSE)
    del keys

    with bounded(), pytest.raises(ValueError, match="bytes in a string"):
        gguf_header.examine(path, KEYS)


def test_a_tensor_larger_than_everything_is_longer_than_its_file(tmp_path: Path) -> None:
    """The product of its dimensions is reckoned, not allocated."""
    content = _file(tensors=1, listed=_tensor("t", (2**63, 2**63, 2**63, 2**63)))

    found = gguf_header.examine(gguf_bytes.sparse(tmp_path / "m.gguf", content, 1000), KEYS)

    assert found.end is not None
    assert found.end > 2**250


@settings(max_examples=200)
@given(st.data())
@pytest.mark.thorough
def test_a_cut_or_changed_header_is_an_error_or_another_header(
    header: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever bytes are cut off or overwritten: a ValueError or a result, never another error, for both readers."""
    changed = bytearray(header)
    for at in data.draw(st.lists(_places(header), max_size=8)):
        new = data.draw(st.binary(min_size=1, max_size=9) | st.sampled_from(EXTREMES))
        changed[at : at + len(new)] = new
    cut = data.draw(st.none() | st.integers(4, len(header)))
    path = gguf_bytes.sparse(tmp_path_factory.getbasetemp() / "fuzz.gguf", bytes(changed)[:cut], 50_000_000)

    for reader in (gguf_header.examine, gguf_header.read):
        with bounded():
            try:
                reader(path, (*KEYS, "tokenizer.ggml.merges"))
            except ValueError as error:
                assert "fuzz.gguf" in str(error)  # noqa: PT017


EXTREMES = (bytes(8), b"\xff" * 8, struct.pack("<Q", 2**63), struct.pack("<Q", 2**31), struct.pack("<I", ARRAY))


def _places(header: bytes) -> st.SearchStrategy[int]:
    """Mostly where counts, lengths and types stand, since the vocabulary is nearly all of the header."""
    keys = header.index(text("tokenizer.ggml.tokens")) + 60
    last = header.index(text("tokenizer.ggml.eos_token_id"))
    return st.integers(0, keys) | st.integers(last, len(header) - 1) | st.integers(0, len(header) - 1)
