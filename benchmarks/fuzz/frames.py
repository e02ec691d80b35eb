"""Bytes on a connection: requests cut in pieces, one behind the other, in chunks; and bytes that are none of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from benchmarks.fuzz import mutate, routes
from benchmarks.fuzz.case import Chance, Sent, Try

Make = Callable[[Chance, str], Try]
HEADS = (
    *(
        b"Expect: 100-continue",
        b"Upgrade: websocket\r\nConnection: Upgrade",
        b"Upgrade: h2c",
        b"Transfer-Encoding: chunked",
    ),
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Transfer-Encoding: gzip"),
    *(b"Connection: keep-alive", b"TE: trailers", b"Host: localhost", b"X: " + b"a" * 70_000, b": empty", b"no colon"),
    *(b"Content-Length : 3", b" folded", b"X-\x00: 1", b"Proxy-Connection: close", b"Keep-Alive: timeout=0"),
)
STARTS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x00",
    b"SSH-2.0-x\r\n",
)


def split(chance: Chance, host: str) -> Try:
    """A right request in pieces."""
    sent = routes.right(chance, host)
    return Try(_pieces(sent.frame(), chance), (sent,), whole=True)


def pipelined(chance: Chance, host: str) -> Try:
    """Several right requests on one connection, whatever the pieces; the last asks for its end."""
    count = chance.randint(2, 6)
    sent = [_open(routes.right(chance, host)) for _ in range(count - 1)] + [routes.right(chance, host)]
    return Try(_pieces(b"".join(one.frame() for one in sent), chance), tuple(sent), whole=True)


def chunked(chance: Chance, host: str) -> Try:
    """A right request whose body comes in chunks, with extensions and trailers as the standard allows them."""
    sent = routes.right(chance, host)
    body, at = b"", 0
    while at < len(sent.body):
        piece = sent.body[at : at + chance.randint(1, 60)]
        extension = chance.choice((b"", b"", b";a=b", b';a="b c"'))
        body += b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
        at += len(piece)
    body += b"0\r\n" + chance.choice((b"", b"", b"X-Trailer: 1\r\n")) + b"\r\n"
    return Try(_pieces(_head(sent, b"Transfer-Encoding: chunked") + body, chance), (sent,), whole=True)


def truncated(chance: Chance, host: str) -> Try:
    """A request, or several, that break off."""
    whole = pipelined(chance, host)
    data = b"".join(whole.pieces)
    return Try(_pieces(data[: chance.randrange(len(data))], chance), whole.sent)


def damaged(chance: Chance, host: str) -> Try:
    """Bytes changed in a head or a body, lines added to a head, other bytes before or behind."""
    sent = tuple(_sometimes_open(routes.right(chance, host), chance) for _ in range(chance.choice((1, 1, 2, 3))))
    data = b"".join(one.frame() for one in sent)
    act = chance.random()
    if act < 0.4:
        data = mutate.damaged(data, chance)
    elif act < 0.7:
        first, _, rest = data.partition(b"\r\n")
        data = first + b"\r\n" + chance.choice(HEADS) + b"\r\n" + rest
    elif act < 0.85:
        data = chance.choice(STARTS) + data
    else:
        data += chance.choice((*STARTS, chance.randbytes(40), b"\r\n", b"0\r\n\r\n"))
    # What was changed may mean another request, or more of them, each of which may be right in itself.
    return Try(_pieces(data, chance), tuple(Sent("", "", {}, b"") for _ in range(len(sent) + 2)))


KINDS: dict[str, Make] = {
    "route": routes.make,
    "split": split,
    "pipelined": pipelined,
    "chunked": chunked,
    "truncated": truncated,
    "damaged frame": damaged,
}


def _open(sent: Sent) -> Sent:
    return Sent(sent.method, sent.path, {**sent.headers, "Connection": "keep-alive"}, sent.body, sent.whole)


def _sometimes_open(sent: Sent, chance: Chance) -> Sent:
    return _open(sent) if chance.random() < 0.5 else sent


def _head(sent: Sent, instead_of_length: bytes) -> bytes:
    head = b"".join(f"{n}: {v}\r\n".encode() for n, v in sent.headers.items() if n != "Content-Length")
    return f"{sent.method} {sent.path} HTTP/1.1\r\n".encode() + head + instead_of_length + b"\r\n\r\n"


def _pieces(data: bytes, chance: Chance) -> tuple[bytes, ...]:
    cuts = sorted(chance.randint(0, len(data)) for _ in range(chance.choice((0, 1, 2, 8))))
    edges = [0, *cuts, len(data)]
    return tuple(data[start:end] for start, end in itertools.pairwise(edges) if end > start)
