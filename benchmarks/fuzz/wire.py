"""One connection to a bridge on this machine: pieces are written, answers are read, with a bound."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from benchmarks.fuzz.case import Answer, Came, Try

BOUND = 30.0  # seconds for all answers of a connection
HOSTS = ("127.0.0.1",)
PAUSE = 0.002  # seconds between two pieces, so that they arrive as two


async def exchange(url: str, tried: Try, bound: float = BOUND) -> Came:
    """Write the pieces, close our half, read to the end, or until all is answered.

    ValueError for an address that is not this machine's own.
    """
    where = urlsplit(url)
    if where.hostname not in HOSTS or where.port is None:
        raise ValueError(f"{url} is not on {' or '.join(HOSTS)}: nothing else is fuzzed")
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
    except OSError as error:
        return Came(refused=str(error))
    data, late, methods = bytearray(), False, [sent.method for sent in tried.sent]
    writing = asyncio.create_task(_write(writer, tried))
    try:
        async with asyncio.timeout(bound):
            while piece := await reader.read(65536):
                data += piece
                # Whatever keeps a connection open that was asked to be closed is no reason to wait.
                if tried.whole and len(parse(bytes(data), methods)[0]) == len(methods):
                    break
    except TimeoutError:
        late = True
    except ConnectionError:  # it was reset: what came before counts
        pass
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await writing
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    answers, rest = parse(bytes(data), methods)
    return Came(tuple(answers), late and (len(answers) < len(tried.sent) or not answers), rest)


async def _write(writer: asyncio.StreamWriter, tried: Try) -> None:
    for number, piece in enumerate(tried.pieces):
        if number:
            await asyncio.sleep(PAUSE)
        writer.write(piece)
        await writer.drain()
    if not tried.whole:  # anyone who waits for more of it shall see that no more comes
        writer.write_eof()


def parse(data: bytes, methods: list[str]) -> tuple[list[Answer], bytes]:
    """The whole answers, interim ones left out, and what is behind them."""
    answers: list[Answer] = []
    while (end := data.find(b"\r\n\r\n")) >= 0 and data.startswith(b"HTTP/1."):
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        rest = data[end + 4 :]
        if status < 200:
            data = rest
            continue
        method = methods[len(answers)] if len(answers) < len(methods) else ""
        taken = _body(rest, headers, bare=method == "HEAD" or status in (204, 304))
        if taken is None:
            return answers, data
        body, data = taken
        answers.append(Answer(status, headers, body))
    return answers, data


def _body(rest: bytes, headers: dict[str, str], *, bare: bool) -> tuple[bytes, bytes] | None:
    """The body and what is behind it; None where it has not come whole."""
    if bare:
        return b"", rest
    if "chunked" in headers.get("transfer-encoding", ""):
        return _chunks(rest)
    length = int(headers.get("content-length", len(rest)))
    return None if len(rest) < length else (rest[:length], rest[length:])


def _chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line, found, behind = rest.partition(b"\r\n")
        if not found:
            return None
        size = int(line.partition(b";")[0], 16)
        if len(behind) < size + 2:
            return None
        body, rest = body + behind[:size], behind[size + 2 :]
        if not size:
            return body, rest
