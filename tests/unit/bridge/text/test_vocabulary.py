"""The bridge counts with the engine's own vocabulary, whatever file or header it lies in."""

import json
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from gguf import GGUFWriter
from tokenizers import Tokenizer

from embedstack.bridge.text import vocabulary
from embedstack.models.demo.build import DemoFiles
from tests.paths import ROOT
from tests.reference import random_model
from tests.reference.texts import PARITY_TEXTS

REFERENCES = json.loads((ROOT / "tests" / "reference" / "token_refs.json").read_text(encoding="utf-8"))
EOS = 151643


@pytest.fixture(scope="module")
def qwen() -> Tokenizer:
    """Qwen's real vocabulary of 151,665 tokens, out of a GGUF."""
    return vocabulary.load(random_model.build() / random_model.GGUF)


@pytest.fixture(scope="module")
def small(demo: DemoFiles) -> Tokenizer:
    return vocabulary.load(demo.gguf)


def write(path: Path, **changes: object) -> Path:
    """A GGUF of a header alone, with a vocabulary of five tokens; a value of None leaves its key out."""
    values: dict[str, object] = {
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": ["a", "b", "ab", "<|endoftext|>", "word"],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.token_type": [1, 1, 1, 3, 4],
        "general.file_type": 15,
    }
    writer = GGUFWriter(path, "qwen3")
    for key, value in (values | changes).items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


# --- the same tokens as Qwen's own tokenizer --------------------------------------------------------------------


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference["text"][-24:])
def test_qwens_vocabulary_gives_qwens_tokens(qwen: Tokenizer, reference: dict[str, list[int]]) -> None:
    """Id by id what Qwen's tokenizer makes of the text; EOS is the engine's to add."""
    assert reference["ids"] == [*qwen.encode(str(reference["text"])).ids, EOS]


def test_gguf_and_hugging_face_folder_agree(demo: DemoFiles, small: Tokenizer) -> None:
    """Two files of one model, one tokenizer: Chinese, English, NFD Korean, emoji, code, blanks."""
    folder = vocabulary.load(demo.hf)
    theirs = [folder.encode(text, add_special_tokens=False).ids for text in PARITY_TEXTS]

    assert theirs == [small.encode(text, add_special_tokens=False).ids for text in PARITY_TEXTS]


def test_decomposed_text_is_composed_first(qwen: Tokenizer) -> None:
    """`한국어` is three tokens in NFC and eight in NFD, of which Qwen's tokenizer never sees the latter."""
    decomposed = unicodedata.normalize("NFD", "한국어")

    assert decomposed != "한국어"
    assert qwen.encode(decomposed).ids == qwen.encode("한국어").ids
    assert len(qwen.encode(decomposed).ids) == 3


def test_special_tokens_in_a_text_are_one_token(qwen: Tokenizer) -> None:
    """As every engine parses them."""
    assert qwen.encode("<|endoftext|>").ids == [EOS]
    assert len(qwen.encode("a<|im_start|>b").ids) == 3


# --- where it can lie -------------------------------------------------------------------------------------------


def test_every_form_can_be_loaded(demo: DemoFiles) -> None:
    """A GGUF, a folder, the tokenizer.json in it; none of them cuts or pads what it counts."""
    for path in (demo.gguf, demo.hf, demo.hf / "tokenizer.json"):
        tokenizer = vocabulary.load(path)

        assert len(tokenizer.encode("年假 " * 50_000, add_special_tokens=False).ids) >= 50_000


def test_a_limit_in_tokenizer_json_does_not_shorten_the_count(demo: DemoFiles, tmp_path: Path) -> None:
    """A folder saved with truncation or padding would count every long text as its limit."""
    saved = Tokenizer.from_file(str(demo.hf / "tokenizer.json"))
    saved.enable_truncation(16)
    saved.enable_padding(length=32)
    saved.save(str(tmp_path / "tokenizer.json"))
    loaded = vocabulary.load(tmp_path)

    assert len(loaded.encode("hello " * 100, add_special_tokens=False).ids) >= 100
    assert len(loaded.encode("hello", add_special_tokens=False).ids) < 16


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """With the path that was looked at."""
    for name in ("none.gguf", "none.json", ""):
        with pytest.raises(OSError, match=str(tmp_path)):
            vocabulary.load(tmp_path / name)


# --- what is refused --------------------------------------------------------------------------------------------


def test_added_tokens_are_not_split(tmp_path: Path) -> None:
    """Control and user-defined tokens are found before the text is cut into words."""
    tokenizer = vocabulary.load(write(tmp_path / "tiny.gguf"))

    assert tokenizer.encode("ab<|endoftext|>abwordb").ids == [2, 3, 2, 4, 1]


@pytest.mark.parametrize("key", ["tokens", "merges", "token_type"])
def test_a_gguf_without_a_vocabulary_is_refused(tmp_path: Path, key: str) -> None:
    """The message names file and key."""
    path = write(tmp_path / "tiny.gguf", **{f"tokenizer.ggml.{key}": None})

    with pytest.raises(ValueError, match=rf"tiny.gguf has no tokenizer.ggml.{key}"):
        vocabulary.load(path)


@pytest.mark.parametrize(("pre", "said"), [("llama-bpe", "'llama-bpe'"), (None, "'not named'")])
def test_another_pre_tokenizer_is_refused(tmp_path: Path, pre: str | None, said: str) -> None:
    """To count with another split than the engine's would be a guess."""
    path = write(tmp_path / "tiny.gguf", **{"tokenizer.ggml.pre": pre})

    with pytest.raises(ValueError, match=f"split by {said}, not by 'qwen2'"):
        vocabulary.load(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a GGUF"),
        (b"GGU", "is not a GGUF"),
        (b"<!DOCTYPE html>", "is not a GGUF"),
        (b"GGUF", "breaks off"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1), "breaks off"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**40) + b"key", "breaks off"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99), "breaks off or is damaged"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**40), "breaks off"),
    ],
)
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Empty, a web page, cut short, of another version, with lengths that lead nowhere."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=said):
        vocabulary.load(path)


def test_every_cut_of_a_header_is_refused(tmp_path: Path) -> None:
    """A download that broke off anywhere before the vocabulary's end is an error, not a smaller vocabulary."""
    whole = write(tmp_path / "tiny.gguf").read_bytes()
    the_key_after_it = whole.index(b"general.file_type") - 8
    for length in range(the_key_after_it):
        (cut := tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"GGUF|breaks off"):
            vocabulary.load(cut)


@pytest.mark.parametrize(
    ("kind", "name"), [(0, "F32"), (1, "F16"), (7, "Q8_0"), (15, "Q4_K_M"), (32, "BF16"), (9999, None), (None, None)]
)
def test_the_quantisation_is_named_as_llama_cpp_names_it(tmp_path: Path, kind: int | None, name: str | None) -> None:
    """From general.file_type; None where the header does not say, or says what is not known."""
    assert name == vocabulary.quantisation_of(write(tmp_path / "tiny.gguf", **{"general.file_type": kind}))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tokenizer.ggml.merges": ["a b", "a nothing"]}, "merge 1, 'a nothing', names tokens that it does not have"),
        ({"tokenizer.ggml.merges": ["b a"]}, "merge 0, 'b a', names tokens"),
        ({"tokenizer.ggml.merges": ["ab"]}, "merge 0, 'ab', names tokens"),
        ({"tokenizer.ggml.token_type": [1, 1, 1, 3, 4, 4, 4]}, "5 tokens and the types of 7"),
        ({"tokenizer.ggml.token_type": [1, 1]}, "5 tokens and the types of 2"),
        ({"tokenizer.ggml.tokens": [1, 2, 3, 4, 5]}, "names tokens"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(
    changes: dict[str, object], problem: str, tmp_path: Path
) -> None:
    """llama.cpp loads it; counting with it would be a guess, or an error in the middle of a request."""
    path = write(tmp_path / "a.gguf", **changes)

    for read in (vocabulary.load, lambda path: vocabulary.from_gguf(path).check()):
        with pytest.raises(ValueError, match=problem):
            read(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b'"BPE"', b'"NONE"'),
        lambda whole: whole.replace(b'"model"', b'"modes"'),
        lambda whole: b"\xff" + whole,
        b"{}",
        b"",
        b"[" * 100_000,
        b'{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}}',
        b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}',
        b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
    ],
)
def test_a_damaged_tokenizer_json_is_a_value_error(
    change: bytes | Callable[[bytes], bytes], demo: DemoFiles, tmp_path: Path
) -> None:
    """`tokenizers` raises bare Exceptions, for which nobody could be prepared."""
    damaged = change if isinstance(change, bytes) else change((demo.hf / "tokenizer.json").read_bytes())
    (path := tmp_path / "tokenizer.json").write_bytes(damaged)

    with pytest.raises(ValueError, match=r"."):
        vocabulary.load(path)
