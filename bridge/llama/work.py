"""What is decoded next: questions before documents, several short texts at once, a long one slice by slice."""

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
MOST_BYTES = 64 * 1024 * 1024
"""For all states together: some ten instructions of the 4B model."""
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


MOST_RESTARTS = 2
"""How often a document that has begun gives its cells to a question that finds no room; then the question waits."""


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
    """`context`: tokens of one text, and of all documents that have begun; `sequences`: texts that have begun; `slice`
    and `questions`: tokens of one decode, of documents and of questions.
    """

    context: int
    sequences: int
    slice: int
    questions: int


@dataclass(slots=True, eq=False)
class Text:
    """`done` of its `tokens` are in the KV cache, under `sequence`; `shared` of them are its prompt's. `alone`: nothing
    else may be there with it, since one of those that were made something else than numbers.
    """

    call: Pending
    index: int
    tokens: Tokens
    prompt: str
    shared: int
    sequence: int = -1
    done: int = 0
    restarts: int = 0
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
    """`tokens` gives a text's ids; `send` is called with each answer. One thread calls `step`, `take` and `cancel`.

    A document that is alone is cut at the same places each time: a text that is alone gives the same bits each time.
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
    ) -> None:
        self._decoder = decoder
        self._tokens = tokens
        self._dimensions = dimensions
        self._sizes = sizes
        self._send = send
        self._prefixes = Prefixes(prompt_tokens, self._compute)
        self._calls: dict[int, Pending] = {}
        self._questions: deque[Text] = deque()
        self._documents: deque[Text] = deque()
        self._asked: list[Text] = []  # questions that have begun
        self._begun: list[Text] = []  # documents that have begun
        self._free = list(range(sizes.sequences - 1, 0, -1))  # 0 is for prompts
        self._resident, self._resident_size = "", 0  # the prompt whose keys and values sequence 0 has
        self._resident_first = False  # in the first cells
        self._questions_wait = False

    @property
    def has_questions(self) -> bool:
        return bool(self._asked or self._questions) and not (self._questions_wait and self._begun)

    @property
    def is_idle(self) -> bool:
        return not (self._questions or self._documents or self._asked or self._begun)

    def only(self, call: int, indexes: Collection[int]) -> bool:
        """Whether all that has begun are these texts of a call. May be asked from another thread."""
        begun = [*self._begun, *self._asked]
        return bool(begun) and all(text.call.id == call and text.index in indexes for text in begun)

    def take(self, ask: Ask) -> None:
        """Texts to compute."""
        count = len(ask.texts)
        call = Pending(ask.call, np.zeros((count, self._dimensions), np.float32), [0] * count, count)
        self._calls[ask.call] = call
        lane = self._questions if ask.urgent else self._documents
        for index, (text, prompt) in enumerate(zip(ask.texts, ask.prompts, strict=True)):
            ids = self._tokens(text)
            call.tokens[index] = len(ids)
            if not 0 < len(ids) <= self._sizes.context:
                self._fail(call, index, f"it has {len(ids)} tokens, and 1 to {self._sizes.context} fit")
                continue
            lane.append(Text(call, index, ids, prompt, self._prefixes.shared(prompt, ids)))
        self._finish(call)

    def cancel(self, cancel: Cancel) -> None:
        """Texts to leave alone, begun or not."""
        call = self._calls.get(cancel.call)
        if call is None:
            return
        gone = set(cancel.indexes)
        for lane in (self._questions, self._documents):
            for text in [one for one in lane if one.call is call and one.index in gone]:
                lane.remove(text)
                self._cancelled(text)
        for begun in (self._asked, self._begun):
            for text in [one for one in begun if one.call is call and one.index in gone]:
                begun.remove(text)
                self._release(text)
                self._cancelled(text)
        self._finish(call)

    def step(self) -> None:
        """One decode. Aborted where a question came meanwhile: then nothing has changed."""
        self._questions_wait = self._questions_wait and bool(self._begun)
        if self.has_questions and self._begun and self._apart:
            self._make_room(self._asked, self._questions, urgent=True)
        if self.has_questions:
            self._step(self._asked, self._questions, self._sizes.questions, urgent=True)
        elif self._begun or self._documents:
            self._step(self._begun, self._documents, self._sizes.slice, urgent=False)

    def _step(self, begun: list[Text], waiting: deque[Text], budget: int, *, urgent: bool) -> None:
        try:
            self._begin(begun, waiting, budget, urgent=urgent)
            parts, texts = _parts(begun, budget)
            if not parts:
                return
            found = self._decoder.decode(parts)
        except NoRoom:
            self._make_room(begun, waiting, urgent=urgent)
            return
        if not all(np.isfinite(row).all() for row in found) and len(self._asked) + len(self._begun) > 1:
            self._try_alone()
            return
        rows = iter(found)
        for part, text in zip(parts, texts, strict=True):
            text.done += len(part.tokens)
            if part.ends:
                begun.remove(text)
                self._release(text)
                row = next(rows)
                if not np.isfinite(row).all():
                    self._wipe()
                text.call.vectors[text.index] = _unit(row)
                text.call.missing -= 1
                self._finish(text.call)

    def _begin(self, begun: list[Text], waiting: deque[Text], budget: int, *, urgent: bool) -> None:
        """Let texts begin, as many as the next decode has room for."""
        room = budget - sum(text.rest for text in begun)
        while waiting and self._free and (room > 0 or not begun):
            text = waiting[0]
            if (self._begun or self._asked) and (text.alone or self._apart):
                return
            if not urgent and begun and self._held + len(text.tokens) > self._sizes.context:
                return
            text.sequence = self._free.pop()
            try:
                self._share(text)
            except (Aborted, NoRoom):
                self._release(text)
                raise
            begun.append(waiting.popleft())
            room -= text.rest

    @property
    def _apart(self) -> bool:
        """Whether a text that has begun, or the next question, has to be alone."""
        return any(text.alone for text in (*self._begun, *self._asked, *list(self._questions)[:1]))

    def _try_alone(self) -> None:
        """A text made something else than numbers. Without flash attention that spreads: a cell that another text has
        nothing to do with counts 0 times what it holds. So all that was there with it is computed again, one by one.
        """
        self._wipe()
        for begun, waiting in ((self._asked, self._questions), (self._begun, self._documents)):
            for text in begun:
                text.alone = True
            self._return(begun, waiting)

    def _wipe(self) -> None:
        """Nothing remains in the cells, where NaN would go on spreading."""
        self._drop_resident()
        self._decoder.clear()

    @property
    def _held(self) -> int:
        return sum(len(text.tokens) for text in self._begun)

    def _share(self, text: Text) -> None:
        """Give a text its prompt's keys and values. They stay in sequence 0 for the next text, unless that is alone and
        would find them in other cells than it did before.
        """
        alone = not (self._begun or self._asked)
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
        self._resident = ""

    def _compute(self, ids: Tokens) -> State:
        """A prompt's keys and values; it is decoded for itself, in sequence 0. Aborted, NoRoom."""
        size = self._sizes.questions
        try:
            for start in range(0, len(ids), size):
                self._decoder.decode([Part(0, ids[start : start + size], start, ends=False)])
            return self._decoder.save(0)
        finally:
            self._decoder.forget(0)

    def _make_room(self, begun: list[Text], waiting: deque[Text], *, urgent: bool) -> None:
        """Texts that have begun begin again later: documents for a question, the last of several for the first."""
        self._drop_resident()
        if urgent and self._begun:
            if any(text.restarts >= MOST_RESTARTS for text in self._begun):
                self._questions_wait = True
                self._return(self._asked, self._questions)
                return
            for text in self._begun:
                text.restarts += 1
            self._return(self._begun, self._documents)
        elif len(begun) > 1:
            last = begun[1:]
            del begun[1:]
            self._return(last, waiting)
        else:
            text = begun.pop() if begun else waiting.popleft()
            if text.sequence >= 0:
                self._release(text)
            self._fail(text.call, text.index, "the KV cache has no room for it")
            self._finish(text.call)

    def _return(self, texts: list[Text], waiting: deque[Text]) -> None:
        for text in reversed(texts):
            self._release(text)
            waiting.appendleft(text)
        texts.clear()

    def _release(self, text: Text) -> None:
        self._decoder.forget(text.sequence)
        self._free.append(text.sequence)
        text.sequence, text.done = -1, 0

    def _cancelled(self, text: Text) -> None:
        text.call.cancelled.add(text.index)
        text.call.missing -= 1

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
