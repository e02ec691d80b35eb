"""One request as the bridge's trace has it, on a line. Pure."""

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from embedstack.contract.answers import TraceRecord

# One line a request, in columns that hold still while further ones come. A width below 0 is flush right.
_COLUMNS = {
    "time": 12,
    "door": 6,
    "client": 16,
    "model": 22,
    "role": 16,
    "said by": 16,
    "texts": -5,
    "tokens": -7,
    "bytes": -8,
    "size": -5,
    "cache": 8,
    "queue ms": -8,
    "engine ms": -9,
    "status": 6,
}
_ROLES = {"query": "cyan", "document": "green"}


@dataclass(frozen=True, kw_only=True)
class TraceLine(TraceRecord):
    """A request, as a line to be read."""

    def __rich__(self) -> Text:
        line = Text(no_wrap=True, overflow="ignore")
        for name, cell in zip(_COLUMNS, self._cells(), strict=True):
            line.append(_cell(name, cell), self._style(name))
        if self.truncated:
            line.append(f" {self.truncated} cut", "yellow")
        if self.corrected:
            line.append(f" {self.corrected} corrected", "yellow")
        for text in self.input or ():
            line.append(f"\n    {_plain(text, 160)}", "dim")
        return line

    def _cells(self) -> tuple[object, ...]:
        at = datetime.fromtimestamp(self.time).astimezone()
        return (
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
            self.door,
            f"{self.client} {self.user}".strip(),
            self.model,
            self.role if self.task in (self.role, "") else f"{self.role} {self.task}",
            self.source.removeprefix("header "),
            self.texts,
            self.tokens,
            self.bytes,
            self.dimensions or "",
            self._cache(),
            f"{self.queue_ms:.1f}",
            f"{self.engine_ms:.1f}",
            f"{self.status} {self.code}".strip(),
        )

    def _style(self, column: str) -> str:
        if column == "role":
            return _ROLES.get(self.role, "")
        return "red" if column == "status" and self.code else ""

    def _cache(self) -> str:
        """One word where it holds for every text, else how many of them were there."""
        counts = {"hit": self.hit, "joined": self.joined, "miss": self.miss}
        some = [name for name, count in counts.items() if count]
        return some[0] if len(some) == 1 else f"{self.hit}/{self.texts}" if some else ""


def head() -> Text:
    """What stands above the lines of records."""
    return Text("".join(_cell(name, name) for name in _COLUMNS), "bold", no_wrap=True, overflow="ignore")


def _cell(column: str, said: object) -> str:
    width = _COLUMNS[column]
    if column == "status":  # the last, and may be long
        return _plain(str(said), 60)
    text = _plain(str(said), abs(width))
    return f"{text:>{-width}}  " if width < 0 else f"{text:<{width}}  "


def _plain(said: str, most: int) -> str:
    """What a client has said, on one line, and nothing that a terminal would obey."""
    plain = "".join(sign if sign.isprintable() else " " for sign in said)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
