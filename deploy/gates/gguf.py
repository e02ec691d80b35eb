"""The gate of a GGUF: its header alone, in milliseconds, against the catalogue."""

import struct
from collections.abc import Iterator
from pathlib import Path

from embedstack.deploy.gates import verdict
from embedstack.deploy.gates.verdict import ABSENT, GateVerdict, Severity, as_text, judge
from embedstack.models.catalog import Model
from embedstack.models.gguf import header as gguf_header
from embedstack.models.gguf.header import EOS_ID, FILE_TYPE, Header, Scalar, file_type
from embedstack.models.gguf.tensors import align

ARCHITECTURE = "general.architecture"
POOLING = {0: "NONE", 1: "MEAN", 2: "CLS", 3: "LAST", 4: "RANK"}  # llama.cpp, enum llama_pooling_type


def examine(path: Path, model: Model) -> tuple[GateVerdict, ...]:
    """A verdict on each fact of the header that the catalogue knows. OSError where the file cannot be read."""
    facts = model.header
    required = _required(model)
    try:
        header = gguf_header.examine(path, {*required, *facts.forbidden, *facts.expected, FILE_TYPE})
    except ValueError as error:
        why = str(error).removeprefix(f"{path} ")
        return (GateVerdict("header", why, "that of a whole GGUF", "fail", verdict.DAMAGED),)
    if header.values.get(ARCHITECTURE) != (architecture := required.get(ARCHITECTURE)) and architecture:
        return tuple(_equal(header, {ARCHITECTURE: architecture}, "fail"))  # of another one no other key is there
    return (
        *_equal(header, required, "fail"),
        *_forbidden(header, model),
        *_eos(header, model),
        *_equal(header, facts.expected, "warn"),
        *_lengths(header, model),
        *_tensors(header, model),
        *_precision(header, model),
        _size(header),
    )


def _required(model: Model) -> dict[str, Scalar]:
    """The catalogue's, and the native dimension, which even the shortest entry of one's own names."""
    required = model.header.required
    architecture = required.get(ARCHITECTURE)
    native = {f"{architecture}.embedding_length": model.dimensions} if architecture else {}
    return {**required, **native, **required}


def _equal(header: Header, wanted: dict[str, Scalar], otherwise: Severity) -> Iterator[GateVerdict]:
    for key, must in wanted.items():
        value = header.values.get(key, _array(header, key))
        severity: Severity = "pass" if _same(value, must) else otherwise
        yield GateVerdict(key, _as_text(key, value), _as_text(key, must), severity, verdict.of_key(key))


def _forbidden(header: Header, model: Model) -> Iterator[GateVerdict]:
    for key, wrong in model.header.forbidden.items():
        value = header.values.get(key, _array(header, key))
        severity: Severity = "fail" if _same(value, wrong) else "pass"
        yield GateVerdict(key, as_text(value), f"{ABSENT} or not {as_text(wrong)}", severity, verdict.of_key(key))


def _eos(header: Header, model: Model) -> Iterator[GateVerdict]:
    """The id may be right and mean another token, where the vocabulary is another one."""
    if model.header.eos is not None:
        field = f"the token at {EOS_ID}"
        yield judge(field, header.eos, model.header.eos, verdict.of_key("tokenizer.ggml.tokens"))


def _lengths(header: Header, model: Model) -> Iterator[GateVerdict]:
    for key, must in model.header.lengths.items():
        yield judge(f"length of {key}", header.lengths.get(key), must, verdict.of_key(key), otherwise="warn")


def _tensors(header: Header, model: Model) -> Iterator[GateVerdict]:
    if model.header.tensors is not None:
        yield judge("tensors", len(header.tensors), model.header.tensors, verdict.of_key("tensors"))


def _precision(header: Header, model: Model) -> Iterator[GateVerdict]:
    """Of a model that is not sound at every one; by the largest part of its tensors, as llama.cpp names the file."""
    name = file_type(header.values.get(FILE_TYPE))
    if model.unsound and name is not None:
        why = model.unsound_as(name)
        yield GateVerdict(FILE_TYPE, name, model.sound, "fail" if why else "pass", verdict.too_narrow(why or ""))


def _size(header: Header) -> GateVerdict:
    """The file's length: up to the end of its last tensor, or with the padding behind that. Longer does no harm."""
    if header.end is None:
        return GateVerdict("file length", as_text(header.bytes), "known from its tensors' types", "warn", verdict.NEWER)
    longest = align(header.end, header.alignment)
    severity: Severity = "fail" if header.bytes < header.end else "warn" if header.bytes > longest else "pass"
    origin = verdict.DAMAGED if severity == "fail" else verdict.LONGER
    return GateVerdict("file length", f"{header.bytes:,} bytes", f"{longest:,} bytes", severity, origin)


def _array(header: Header, key: str) -> str | None:
    return f"an array of {header.lengths[key]}" if key in header.lengths else None


def _same(value: Scalar | None, must: Scalar) -> bool:
    """Of one kind and equal: a number where true belongs is not a true; a float is an f32 in the file."""
    if isinstance(must, bool) or isinstance(value, bool):
        return value is must
    if isinstance(must, float) and isinstance(value, float):
        return value in (must, struct.unpack("<f", struct.pack("<f", must))[0])
    return type(value) is type(must) and value == must


def _as_text(key: str, value: Scalar | None) -> str:
    if key.endswith(".pooling_type") and type(value) is int:
        return f"{value} ({POOLING.get(value, 'unknown')})"
    return as_text(value)
