"""JSON, decoded into its expected type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import msgspec

from embedstack.readers import content
from embedstack.readers.content import Damaged, DamagedFile

T = TypeVar("T")

_AT_BYTE = re.compile(r" \(byte (\d+)\)$")


def read(path: Path, kind: type[T], most: int = content.MOST_BYTES) -> T:
    """The file as a `kind`. OSError; DamagedFile for anything else."""
    data = content.read(path, most)
    try:
        return decode(data, kind)
    except Damaged as error:
        raise DamagedFile(path, error.problem, error.place) from error


def read_again(path: Path, kind: type[T], consequence: str) -> T | None:
    """The same for a file that can be made again. None if it does not exist or is damaged; a damaged file is set aside,
    and logged with its `consequence`. OSError if the system cannot read it.
    """
    try:
        return read(path, kind)
    except FileNotFoundError:
        return None
    except DamagedFile as error:
        content.set_aside(error, consequence)
        return None


def decode(data: bytes | str, kind: type[T]) -> T:
    """`data` as a `kind`. Damaged, with the place if it is known, for anything else."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")  # refused below, like any other byte that is not UTF-8
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Damaged(str(error)) from error
    except msgspec.DecodeError as error:
        content.as_text(data)
        raise _malformed(data, str(error)) from error
    except UnicodeDecodeError as error:
        content.as_text(data)
        raise Damaged("text that is not UTF-8") from error
    except RecursionError as error:
        raise Damaged("brackets within brackets, deeper than can be read") from error


def _malformed(data: bytes, text: str) -> Damaged:
    if not data.strip():
        return Damaged("it is empty")
    if (at := _AT_BYTE.search(text)) is None:
        return Damaged("it breaks off" if text == "Input data was truncated" else text)
    problem = text[: at.start()].removeprefix("JSON is malformed: ")
    return Damaged(f"not JSON: {problem}", content.place_of(data, int(at[1])))
