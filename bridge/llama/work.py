"""What a context decodes next: several short texts at once, a long one slice by slice."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedstack.bridge.llama.frames import Ask, Cancel, Computed
from embedstack.bridge.llama.library import Aborted, NoRoom, Part, Tokens
from embedstack.vectors.mrl import Vectors

State = npt.NDArray[np.uint8]

SHORTEST = 4
"""Tokens; a shorter prefix costs as much to restore as to decode."""
MOST_BYTES = 32 * 1024 * 1024
"""For all states of one context: some ten instructions of the 4B model."""
_MOST_PROMPTS = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """An instruction's tokens (n,), and what the KV cache held of them."""

    tokens: Tokens
    state: State


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens two sequences begin with together."""
    size = min(len(one), len(other))
    different = np.flatnonzero(one[:size] != other[:size])
    return int(different[0]) if different.size else size


class Prefixes:
    """Instructions that many texts begin with, decoded once: their keys and values, kept outside of the KV cache.

    `tokens` gives a prompt's ids, without the end token; `compute` their state. The least used goes first.

    Kept in it they would take cells from the texts, and texts would lie behind a varying number of them, where a sum
    over cells has other last bits. Restored for each text, they lie in the first cells whenever a text is alone.
    """

    def __init__(
        self, tokens: Callable[[str], Tokens], compute: Callable[[Tokens], State], *, most_bytes: int = MOST_BYTES
    ) -> None:
        self._tokens = tokens
        self._compute = compute
        self._most_bytes = most_bytes
        self._ids: OrderedDict[str, Tokens] = OrderedDict()
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def shared(self, prompt: str, tokens: Tokens) -> int:
        """How many of a text's first tokens are the prompt's. One token at least remains the text's own. By ids and not
        by characters: where the last of the prompt's merges with the text, one less is shared.
        """
        if not prompt:
            return 0
        ids = self._ids.get(prompt)
        if ids is None:
            ids = self._ids[prompt] = self._tokens(prompt)
            if len(self._ids) > _MOST_PROMPTS:
                self._ids.popitem(last=False)
        self._ids.move_to_end(prompt)
        count = min(common(ids, tokens), len(tokens) - 1)
        return count if count >= SHORTEST else 0

    def state(self, prompt: str) -> Known:
        """A prompt's, that `shared` has seen. What `compute` raises."""
        ids = self._ids[prompt]
        key = ids.tobytes()
        known = self._known.pop(key, None)
        if known is None:
            known = Known(ids, self._compute(ids))
        self._known[key] = known
        while len(self._known) > 1 and sum(one.state.nbytes for one in self._known.values()) > self._most_bytes:
            self._known.popitem(last=False)
        return known


class Decoder(Protocol):
    """`library.LlamaContext`."""

    def decode(self, parts: Sequence[Part]) -> list[Vectors]: ...
    def fork(self, source: int, target: int) -> None: ...
    def forget(self, sequence: int, first: int = 0) -> None: ...
    def save(self, sequence: int) -> State: ...
    def restore(self, state: State, sequence: int) -> None: ...
    def clear(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sizes:
    """`cells`: tokens of the KV cache, and so of one text; `sequences`: texts that may have begun; `slice`: tokens of
    one decode.
    """

    cells: int
    sequences: int
    slice: int


@dataclass(slots=True, eq=False)
class Text:
    """`done` of its `tokens` are in the KV cache, under `sequence`; `shared` of them are its prompt's. `alone`: no text
    may be in the cache with it, because it or one of its neighbours turned into something other than numbers.
    """

    call: Pending
    index: int
    tokens: Tokens
    prompt: str
    shared: int
    sequence: int = -1
    done: int = 0
    alone: bool = False

    @property
    def rest(self) -> int:
        return len(self.tokens) - self.done


@dataclass(slots=True, eq=False)
class Pending:
    """An Ask on its way. `missing`: texts that have neither a vector nor a reason to have none."""

    id: int
    vectors: Vectors
    tokens: list[int]
    missing: int
    failed: list[tuple[int, str]] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)


class Work:
    """The texts of one context. `tokens` gives a text's ids; `send` is called with each answer. `too_long` is called,
    where it is given, with an Ask that has a text of more tokens than there are cells; else that text alone fails.

    One thread calls `take`, `cancel` and `step`. A text that is alone is cut at the same places each time, and so it
    has the same bits each time.
    """

    def __init__(
        self,
        decoder: Decoder,
        tokens: Callable[[str], Tokens],
        *,
        prompt_tokens: Callable[[str], Tokens],
        dimensions: int,
        sizes: Sizes,
        send: Callable[[Computed], None],
        too_long: Callable[[Ask], None] | None = None,
    ) -> None:
        self._decoder = decoder
        self._tokens = tokens
        self._dimensions = dimensions
        self._sizes = sizes
        self._send = send
        self._too_long = too_long
        self._prefixes = Prefixes(prompt_tokens, self._compute)
        self._calls: dict[int, Pending] = {}
        self._waiting: deque[Text] = deque()
        self._begun: list[Text] = []
        self._free = list(range(sizes.sequences - 1, 0, -1))  # 0 is for prompts
        self._resident, self._resident_size = "", 0  # the prompt whose keys and values sequence 0 has
        self._resident_first = False  # in the first cells

    @property
    def is_idle(self) -> bool:
        return not (self._waiting or self._begun)

    def only(self, call: int, indexes: Collection[int]) -> bool:
        """Whether all texts that have begun are these texts of a call. Another thread may ask."""
        begun = list(self._begun)
        return bool(begun) and all(text.call.id == call and text.index in indexes for text in begun)

    def take(self, ask: Ask) -> None:
        """Texts to compute."""
        ids = [self._tokens(text) for text in ask.texts]
        if self._too_long and any(len(one) > self._sizes.cells for one in ids):
            self._too_long(ask)
            return
        count = len(ids)
        call = Pending(ask.call, np.zeros((count, self._dimensions), np.float32), [len(one) for one in ids], count)
        self._calls[ask.call] = call
        for index, (tokens, prompt) in enumerate(zip(ids, ask.prompts, strict=True)):
            if 0 < len(tokens) <= self._sizes.cells:
                self._waiting.append(Text(call, index, tokens, prompt, self._prefixes.shared(prompt, tokens)))
            else:
                self._fail(call, index, f"it has {len(tokens)} tokens, and 1 to {self._sizes.cells} fit")
        self._finish(call)

    def cancel(self, cancel: Cancel) -> None:
        """Texts to leave alone, begun or not."""
        call = self._calls.get(cancel.call)
        if call is None:
            return
        gone = set(cancel.indexes)
        for text in [one for one in (*self._begun, *self._waiting) if one.call is call and one.index in gone]:
            if text in self._begun:
                self._begun.remove(text)
                self._release(text)
            else:
                self._waiting.remove(text)
            call.cancelled.add(text.index)
            call.missing -= 1
        self._finish(call)

    def step(self) -> None:
        """One decode, where there is something to decode. Aborted: nothing has changed."""
        try:
            self._begin()
            parts, texts = _parts(self._begun, self._sizes.slice)
            found = self._decoder.decode(parts) if parts else []
        except NoRoom:
            self._make_room()
            return
        if not all(np.isfinite(row).all() for row in found) and len(self._begun) > 1:
            self._try_alone()
            return
        rows = iter(found)
        for part, text in zip(parts, texts, strict=True):
            text.done += len(part.tokens)
            if part.ends:
                self._begun.remove(text)
                self._release(text)
                row = next(rows)
                if not np.isfinite(row).all():
                    self._wipe()
                text.call.vectors[text.index] = _unit(row)
                text.call.missing -= 1
                self._finish(text.call)

    def _begin(self) -> None:
        """Let texts begin, as many as the next decode has room for."""
        room = self._sizes.slice - sum(text.rest for text in self._begun)
        while self._waiting and self._free and (room > 0 or not self._begun):
            text = self._waiting[0]
            if self._begun and (text.alone or any(one.alone for one in self._begun) or not self._has_cells(text)):
                return
            text.sequence = self._free.pop()
            try:
                self._share(text)
            except (Aborted, NoRoom):
                self._release(text)
                raise
            self._begun.append(self._waiting.popleft())
            room -= text.rest

    def _has_cells(self, text: Text) -> bool:
        """Whether a text fits beside those that have begun. The resident prompt's cells are shared, others' are not."""
        texts = (*self._begun, text)
        own = sum(len(one.tokens) - (one.shared if one.prompt == self._resident else 0) for one in texts)
        return self._resident_size + own <= self._sizes.cells

    def _try_alone(self) -> None:
        """A text turned into something other than numbers. Without flash attention that spreads: a cell of another text
        counts 0 times its value, and 0 times NaN is NaN. So all texts that were in the cache are computed one by one.
        """
        self._wipe()
        for text in self._begun:
            text.alone = True
        self._return(self._begun)

    def _wipe(self) -> None:
        """Empty the cells, where NaN would go on spreading."""
        self._drop_resident()
        self._decoder.clear()

    def _share(self, text: Text) -> None:
        """Give a text its prompt's keys and values. They stay in sequence 0 for the next text, unless that is alone and
        would find them in other cells than it did before.
        """
        alone = not self._begun
        if self._resident and (alone and not (text.shared and self._resident_first)):
            self._drop_resident()
        if not text.shared:
            return
        if self._resident != text.prompt:
            self._drop_resident()
            known = self._prefixes.state(text.prompt)
            self._decoder.restore(known.state, 0)
            self._resident, self._resident_size, self._resident_first = text.prompt, len(known.tokens), alone
        self._decoder.fork(0, text.sequence)
        if text.shared < self._resident_size:
            self._decoder.forget(text.sequence, text.shared)
        text.done = text.shared

    def _drop_resident(self) -> None:
        if self._resident:
            self._decoder.forget(0)
        self._resident, self._resident_size = "", 0

    def _compute(self, ids: Tokens) -> State:
        """A prompt's keys and values; it is decoded by itself, in sequence 0. Aborted, NoRoom."""
        size = self._sizes.slice
        try:
            for start in range(0, len(ids), size):
                self._decoder.decode([Part(0, ids[start : start + size], start, ends=False)])
            return self._decoder.save(0)
        finally:
            self._decoder.forget(0)

    def _make_room(self) -> None:
        """The cells do not suffice, although they were counted: all but the first text begin again later."""
        self._drop_resident()
        if len(self._begun) > 1:
            self._return(self._begun[1:])
            return
        text = self._begun.pop() if self._begun else self._waiting.popleft()
        if text.sequence >= 0:
            self._release(text)
        self._fail(text.call, text.index, "the KV cache has no room for it")
        self._finish(text.call)

    def _return(self, texts: Sequence[Text]) -> None:
        for text in reversed(texts):
            self._begun.remove(text)
            self._release(text)
            self._waiting.appendleft(text)

    def _release(self, text: Text) -> None:
        self._decoder.forget(text.sequence)
        self._free.append(text.sequence)
        text.sequence, text.done = -1, 0

    def _fail(self, call: Pending, index: int, reason: str) -> None:
        call.failed.append((index, reason))
        call.missing -= 1

    def _finish(self, call: Pending) -> None:
        if not call.missing and call.id in self._calls:
            del self._calls[call.id]
            rows = call.vectors.tobytes()
            self._send(Computed(call.id, rows, call.tokens, call.failed, sorted(call.cancelled)))


def _parts(texts: Sequence[Text], budget: int) -> tuple[list[Part], list[Text]]:
    """What the next decode takes of texts that have begun, in their order."""
    parts, used = list[Part](), list[Text]()
    for text in texts:
        size = min(budget, text.rest)
        if size <= 0:
            break
        tokens = text.tokens[text.done : text.done + size]
        parts.append(Part(text.sequence, tokens, text.done, ends=size == text.rest))
        used.append(text)
        budget -= size
    return parts, used


def _unit(vector: Vectors) -> Vectors:
    """Of length 1; one that cannot be is left as it is, for the bridge to refuse."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return (vector / length).astype(np.float32) if length else vector
