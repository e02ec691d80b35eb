"""The recent requests, to see what a client really sends. Their number is limited; texts are kept only on request."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from embedstack.bridge.request import EmbedRequest, EmbedResult, Found, Meaning, Stages
from embedstack.contract.answers import TraceRecord

# Characters kept of a name and of a text, and texts kept of one request, so that a record stays small.
LONGEST_NAME, LONGEST_TEXT, MOST_TEXTS = 200, 500, 20
_NOTHING, _NO_STAGES = Found(), Stages()


class TraceEntry(NamedTuple):
    """What is kept of a request. It has no reference to the request's texts or vectors. Seconds, bytes."""

    time: float
    door: str
    flow: tuple[str, ...]
    model: str
    meaning: Meaning | None
    texts: int
    bytes: int
    tokens: int
    found: Found
    stages: Stages
    encode: float
    answer_bytes: int
    truncated: int
    corrected: int
    status: int
    code: str
    input: tuple[str, ...] | None


class Trace:
    """The last `records` requests, numbered from 1. `text`: whether to keep the beginning of each text too."""

    def __init__(self, records: int, *, text: bool) -> None:
        self._entries: deque[TraceEntry] = deque(maxlen=records)
        self._last = 0
        self._text = text

    def answered(
        self, at: float, door: str, asked: EmbedRequest, result: EmbedResult, encode: float, size: int
    ) -> None:
        """`at` in seconds since 1970; `encode` in seconds; `size` of the answer in bytes."""
        self._last += 1
        self._entries.append(
            TraceEntry(
                at,
                door,
                asked.caller.flow,
                _name(asked.model),
                result.meaning,
                len(asked.texts),
                _size(asked.texts),
                result.tokens,
                result.found,
                result.stages,
                encode,
                size,
                len(result.truncated),
                len(result.corrected),
                200,
                "",
                _clipped(asked.texts) if self._text else None,
            )
        )

    def refused(
        self, at: float, door: str, asked: EmbedRequest | None, meaning: Meaning | None, status: int, code: str
    ) -> None:
        """`asked` None: the body could not be read. `meaning` None: the request could not be understood."""
        self._last += 1
        flow, model, texts = (asked.caller.flow, asked.model, asked.texts) if asked else (("",), "", ())
        kept = _clipped(texts) if self._text else None
        facts = (door, flow, _name(model), meaning, len(texts), _size(texts), 0, _NOTHING, _NO_STAGES)
        self._entries.append(TraceEntry(at, *facts, 0.0, 0, 0, 0, status, code, kept))

    def after(self, seq: int, limit: int) -> list[TraceRecord]:
        """The oldest `limit` records numbered above `seq`. If `seq` is from an earlier process, all records qualify."""
        first = self._last - len(self._entries) + 1
        begin = 0 if seq > self._last else max(0, seq + 1 - first)
        kept = islice(self._entries, begin, begin + limit)
        return [_record(first + begin + place, entry) for place, entry in enumerate(kept)]

    @property
    def last(self) -> int:
        """The number of the newest record; 0 before the first."""
        return self._last


def _name(model: str) -> str:
    return model[:LONGEST_NAME].encode("utf-8", "replace").decode()


def _size(texts: Sequence[str]) -> int:
    return sum(len(text) if text.isascii() else len(text.encode("utf-8", "replace")) for text in texts)


def _clipped(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text[:LONGEST_TEXT].encode("utf-8", "replace").decode() for text in texts[:MOST_TEXTS])


def _record(seq: int, entry: TraceEntry) -> TraceRecord:
    meaning, found, stages = entry.meaning, entry.found, entry.stages
    return TraceRecord(
        seq=seq,
        time=round(entry.time, 3),
        door=entry.door,
        client=entry.flow[0].removeprefix("key "),
        user=entry.flow[1] if len(entry.flow) > 1 else "",
        model=entry.model,
        role=meaning.role if meaning else "",
        task=meaning.task if meaning else "",
        source=meaning.source if meaning else "",
        dimensions=meaning.dimensions if meaning else 0,
        texts=entry.texts,
        bytes=entry.bytes,
        tokens=entry.tokens,
        hit=found.hit,
        joined=found.joined,
        miss=found.miss,
        queue_ms=round(stages.queue * 1000, 3),
        engine_ms=round(stages.engine * 1000, 3),
        encode_ms=round(entry.encode * 1000, 3),
        answer_bytes=entry.answer_bytes,
        truncated=entry.truncated,
        corrected=entry.corrected,
        status=entry.status,
        code=entry.code,
        input=entry.input,
    )
