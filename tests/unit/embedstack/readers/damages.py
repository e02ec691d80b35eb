"""What befalls a file on a disk: damages, each of which makes of good bytes what is no such file any more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, bytes], None]


def _content(change: Callable[[bytes], bytes]) -> Damage:
    def damage(path: Path, good: bytes) -> None:
        path.write_bytes(change(good))

    return damage


def _sparse(path: Path, _: bytes) -> None:
    with path.open("wb") as file:
        file.truncate(300 * 2**20)


def _folder(path: Path, _: bytes) -> None:
    path.mkdir()
    (path / "inside").touch()


def _pipe(path: Path, _: bytes) -> None:
    os.mkfifo(path)


def _middle(good: bytes, new: bytes) -> bytes:
    return good[: len(good) // 2] + new + good[len(good) // 2 :]


ANY: dict[str, Damage] = {
    "a byte that is not UTF-8": _content(lambda good: _middle(good, b"\xff")),
    "a first byte that is not UTF-8": _content(lambda good: b"\x80" + good),
    "a NUL": _content(lambda good: _middle(good, b"\0")),
    "nothing but NULs": _content(lambda good: bytes(len(good))),
    "UTF-16": _content(lambda good: good.decode("latin-1").encode("utf-16")),
    "random bytes": _content(lambda good: hashlib.shake_128(good).digest(len(good) + 64)),
    "a surrogate in UTF-8": _content(lambda good: _middle(good, b"\xed\xa0\x80")),
    "300 MB": _sparse,
    "a folder": _folder,
    "a pipe": _pipe,
}
"""What no text file can be."""

STRUCTURED: dict[str, Damage] = {
    **ANY,
    "a list": _content(lambda _: b"[]"),
    "a number": _content(lambda _: b"3"),
    "a text": _content(lambda _: b'"text"'),
    "2,000 brackets": _content(lambda _: b"[" * 2_000),
    "2,000 nested objects": _content(lambda _: b'{"a":' * 2_000),
    "a number of 5,000 digits": _content(lambda _: b"9" * 5_000),
    "a lone surrogate, escaped": _content(lambda _: b'{"a": "\\ud800", "\\udc00": 1}'),
    "an unknown shape": _content(lambda _: b'{"listen": 3, "models": 3, "parts": 3, "fingerprint": {}, "a": [{}]}'),
    "it breaks off": _content(lambda good: b'{"a": [1, "' + good[:1].replace(b"\n", b" ")),
}
"""What neither JSON nor YAML of ours can be."""

JSON: dict[str, Damage] = {
    **STRUCTURED,
    "0 bytes": _content(lambda _: b""),
    "a blank": _content(lambda _: b" \n"),
    "cut in half": _content(lambda good: good[: len(good) // 2]),
    "cut before its end": _content(lambda good: good.rstrip()[:-1]),
    "more behind it": _content(lambda good: good + b"x"),
    "a byte-order mark": _content(lambda good: b"\xef\xbb\xbf" + good),
    "an infinite number": _content(lambda _: b'{"a": 1e999}'),
}

YAML: dict[str, Damage] = {
    **STRUCTURED,
    **{
        f"YAML's {text[:20].decode()!r}": _content(lambda _, text=text: b"listen: " + text)  # type: ignore[misc]
        for text in (
            *(
                b"2020-13-45",
                b"2001-12-14 21:59:43 +99:99",
                b"0x_",
                b"0b_",
                b"-0x_",
                b"9" * 5_000,
                b"0x" + b"f" * 5_000,
            ),
            *(b"!!bool x", b"!!int ''", b"!!float x", b"!!timestamp x", b"!!binary x", b"!!set x", b"!!omap x"),
            *(b"!!python/object:os.x", b"!<x", b"!x y", b"&a [*a]", b"*none", b"{? [a]: b}", b"<<: 3"),
            *(b'"\\ud800"', b'"\\0"', b'"\\UFFFFFFFF"', b"{a: 1, a: 2}", b"=", b"\t", b"@", b"x\n\x07", b"1\n---\n2"),
        )
    },
    "a directive of 5,000 digits": _content(lambda _: b"%YAML 1." + b"9" * 5_000 + b"\n---\na"),
    "aliases that stand for 10^6 values": _content(
        lambda _: (
            b"x: "
            + b", ".join([b"[&a0 [0]"] + [b"&a%d [%s]" % (n, b"*a%d," % (n - 1) * 10) for n in range(1, 7)])
            + b"]"
        )
    ),
    "aliases 2,000 levels deep": _content(
        lambda _: b"x: [&a0 [0]" + b"".join(b", &a%d [*a%d]" % (n, n - 1) for n in range(1, 2_000)) + b"]"
    ),
}
