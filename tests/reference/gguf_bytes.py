"""GGUF headers as bytes, to be changed in one place: what a bad converter or a damaged disk leaves behind."""

import struct
from collections.abc import Mapping
from pathlib import Path

from embedstack.models.gguf import header as gguf_header

FORMS = {4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
STRING = 8

Value = bool | int | float | str | None


def header_of(gguf: Path) -> bytes:
    """Everything before the tensors' data, padding included."""
    with gguf.open("rb") as file:
        return file.read(gguf_header.examine(gguf, []).data)


def patched(header: bytes, changes: Mapping[str, Value]) -> bytes:
    """The same header, as long as before, with other values; None takes a key away. A text must keep its length."""
    changed = bytearray(header)
    for key, value in changes.items():
        at = place(header, key)
        if value is None:
            changed[at - 1] ^= 1  # the key's last letter: it is another key now
        elif isinstance(value, str):
            changed[at + 12 : at + 12 + len(value)] = value.encode()
        else:
            form = FORMS[int.from_bytes(header[at : at + 4], "little")]
            struct.pack_into(form, changed, at + 4, value)
    return bytes(changed)


def place(header: bytes, key: str) -> int:
    """Where the type of a key's value stands."""
    spelt = text(key)
    return header.index(spelt) + len(spelt)


def text(value: str) -> bytes:
    """A string as the format writes it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def sparse(path: Path, header: bytes, length: int) -> Path:
    """A file of `length` bytes that holds `header` and, on the disk, nothing more."""
    with path.open("wb") as file:
        file.write(header)
        file.truncate(length)
    return path
