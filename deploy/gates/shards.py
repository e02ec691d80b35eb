"""The safetensors of a folder: the index against the files, and each file's length against its own header."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from embedstack.deploy.gates import origins
from embedstack.deploy.gates.hf_files import UnreadableError, decode, read
from embedstack.deploy.gates.verdict import ABSENT, Severity, Verdict

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
MOST_HEADER = 100_000_000  # bytes; the safetensors library refuses longer ones


class Index(msgspec.Struct, frozen=True):
    """Which file holds which tensor."""

    weight_map: dict[str, str]


class Entry(msgspec.Struct, frozen=True):
    """One tensor of a shard's header; `__metadata__` has no offsets."""

    data_offsets: tuple[int, int] | None = None


def examine(folder: Path) -> Iterator[Verdict]:
    """A verdict on the index and on every file that it names. OSError where a file cannot be read."""
    try:
        wanted = _tensors_by_file(folder)
    except UnreadableError as error:
        yield Verdict(error.name, error.why, "the list of the folder's files", "fail", origins.SHARDS)
        return
    for name in sorted(wanted):
        if "/" in name or "\\" in name:
            yield Verdict(f"{INDEX} weight_map", name, "names of files in the folder", "fail", origins.SHARDS)
        else:
            yield _shard(folder / name, wanted[name])


def _tensors_by_file(folder: Path) -> dict[str, set[str]]:
    """The tensors that each file must hold; of a model in one file, none is known beforehand."""
    if not (folder / INDEX).is_file():
        return {SINGLE: set()}
    found: dict[str, set[str]] = {}
    for tensor, name in read(folder, INDEX, Index).weight_map.items():
        found.setdefault(name, set()).add(tensor)
    if not found:
        raise UnreadableError(INDEX, "names no file")
    return found


def _shard(path: Path, wanted: set[str]) -> Verdict:
    if not path.is_file():
        return Verdict(path.name, ABSENT, "there", "fail", origins.SHARDS)
    try:
        data, entries = _header(path)
    except UnreadableError as error:
        return Verdict(path.name, error.why, "a whole safetensors file", "fail", origins.SHARDS)
    if missing := sorted(wanted - entries.keys()):
        told = f"{len(missing)} tensors missing, {missing[0]} the first"
        return Verdict(path.name, told, f"all that {INDEX} names", "fail", origins.SHARDS)
    size = path.stat().st_size
    must = data + max((entry.data_offsets[1] for entry in entries.values() if entry.data_offsets), default=0)
    severity: Severity = "pass" if size == must else "fail"
    return Verdict(path.name, f"{size:,} bytes", f"{must:,} bytes", severity, origins.SHARDS)


def _header(path: Path) -> tuple[int, dict[str, Entry]]:
    """Where the data begin, and what the header lists."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, path.stat().st_size - 8):
            raise UnreadableError(path.name, "is cut, or is no safetensors file")
        return 8 + length, decode(file.read(length), path.name, dict[str, Entry])
