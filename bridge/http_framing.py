"""Where the bytes of a connection part: a head from a body, and a request from the next, however they are split."""

import re
from typing import Literal

# Java's HttpClient offers h2c with every first request, and some clients offer several protocols. A server may ignore
# that (RFC 9110, 7.8), and Ollama does; the parser under uvicorn instead stops there and drops the body, since the rest
# might be another protocol.
_OFFER = re.compile(rb"^upgrade:", re.IGNORECASE | re.MULTILINE)
_END = b"\r\n\r\n"


class Framing:
    """Cuts off what the parser may read next. It never gets bytes on both sides of the end of a head or of a body, so
    that whoever feeds it can stop there; and no head of its offers another protocol.

    The parser takes no line without CR LF, in a head or between chunks: both end at the first empty line, and nowhere
    else. `left` counts the bytes that a body still has, None where it comes in chunks.
    """

    def __init__(self) -> None:
        self.begun = False  # a request line
        self.left: int | None = 0
        self._at: Literal["start", "line", "fields"] = "start"
        self._tail = b""

    def head(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece for the parser and the rest, outside of a body. An empty piece: more has to come.

        A request line goes on as it comes, since its first bytes tell what is no HTTP; the fields go on in whole lines.
        """
        if self._at == "start":
            data = data.lstrip(b"\r\n")
        self.begun = self.begun or bool(data)
        if (end := self._end(data)) >= 0:
            self.begun, self._at, self._tail = False, "start", b""
            return _without_offer(data[:end]), data[end:]
        if self._at == "fields":
            end = data.rfind(b"\n") + 1
            return _without_offer(data[:end]), data[end:]
        end = data.find(b"\n") + 1
        self._at = "fields" if end else "line" if data else "start"
        return (data[:end], data[end:]) if end else (data, b"")

    def body(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece for the parser and the rest, inside of a body."""
        if self.left is not None:
            cut = min(self.left, len(data))
            self.left -= cut
            return (data, b"") if cut == len(data) else (data[:cut], data[cut:])
        seen = self._tail + data
        end = seen.find(_END)
        if end < 0:
            self._tail = seen[-3:]
            return data, b""
        end += len(_END)
        cut, self._tail = end - len(self._tail), seen[end - 3 : end]
        return data[:cut], data[cut:]

    def _end(self, data: bytes) -> int:
        """Behind the empty line that ends a head; -1 where that has not come. `data` begins with a line of its own."""
        if self._at == "line":
            return -1
        if self._at == "fields" and data.startswith(b"\r\n"):
            return 2
        return at + len(_END) if (at := data.find(_END)) >= 0 else -1


def _without_offer(lines: bytes) -> bytes:
    return _OFFER.sub(b"X-Declined-Upgrade:", lines) if b"upgrade" in lines.lower() else lines
