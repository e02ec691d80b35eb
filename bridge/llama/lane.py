"""Questions and documents: each kind has a context and a thread of its own, and documents stop for questions."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from embedstack.bridge.llama.frames import Ask, Cancel, Computed
from embedstack.bridge.llama.library import Aborted, LlamaContext, LlamaModel
from embedstack.bridge.llama.work import Sizes, Work


class Asker(Protocol):
    """`frames.BridgeSocket`."""

    def receive(self, *, wait: bool) -> Ask | Cancel | None: ...
    def send(self, answer: Computed) -> None: ...


class Documents:
    """Computes what is put into it, in a thread of its own."""

    def __init__(self, model: LlamaModel, sizes: Sizes, *, threads: int, send: Callable[[Computed], None]) -> None:
        self.context = _context(model, sizes, threads)
        self._inbox: queue.SimpleQueue[Ask | Cancel] = queue.SimpleQueue()
        self._work = _work(self.context, model, sizes, send)

    def start(self, *, ended: Callable[[BaseException], None]) -> None:
        """For ever; `ended` is called with what ends it."""
        threading.Thread(target=self._run, args=(ended,), daemon=True).start()

    def put(self, frame: Ask | Cancel) -> None:
        """Any thread may call this. A text that is cancelled while it is computed ends at once."""
        self._inbox.put(frame)
        if isinstance(frame, Cancel) and self._work.only(frame.call, frame.indexes):
            self.context.abort()

    def _run(self, ended: Callable[[BaseException], None]) -> None:
        try:
            while True:
                # Before the inbox is looked at: a text that is cancelled after that sets it again.
                self.context.clear_abort()
                self._hear()
                try:
                    self._work.step()
                except Aborted:
                    continue
        except BaseException as error:  # noqa: BLE001 -- the caller decides
            ended(error)

    def _hear(self) -> None:
        """Take all that has come; wait for something where there is nothing to do."""
        while True:
            try:
                frame = self._inbox.get(block=self._work.is_idle)
            except queue.Empty:
                return
            if isinstance(frame, Ask):
                self._work.take(frame)
            else:
                self._work.cancel(frame)


class Questions:
    """Hears the bridge, hands documents on, and computes questions. As long as there is one, `documents` stand still
    wherever they are, and nothing of them is lost. A question of more tokens than there are cells goes there too.
    """

    def __init__(self, model: LlamaModel, sizes: Sizes, *, threads: int, bridge: Asker, documents: Documents) -> None:
        self.context = _context(model, sizes, threads)
        self._bridge = bridge
        self._documents = documents
        self._work = _work(self.context, model, sizes, bridge.send, documents.put)

    def serve(self) -> None:
        """Until receiving or sending raises: `frames.Gone`."""
        while True:
            if self._work.is_idle:
                self._documents.context.unpause()
            frame = self._bridge.receive(wait=self._work.is_idle)
            while frame:
                self._take(frame)
                frame = self._bridge.receive(wait=False)
            if not self._work.is_idle:
                self._documents.context.pause()
                self._work.step()

    def _take(self, frame: Ask | Cancel) -> None:
        if isinstance(frame, Cancel):
            self._work.cancel(frame)
        elif frame.urgent:
            self._work.take(frame)
            return
        self._documents.put(frame)


def _context(model: LlamaModel, sizes: Sizes, threads: int) -> LlamaContext:
    return LlamaContext(model, cells=sizes.cells, sequences=sizes.sequences, batch=sizes.slice, threads=threads)


def _work(
    context: LlamaContext,
    model: LlamaModel,
    sizes: Sizes,
    send: Callable[[Computed], None],
    too_long: Callable[[Ask], None] | None = None,
) -> Work:
    return Work(
        context,
        model.tokens,
        prompt_tokens=model.prompt_tokens,
        dimensions=model.dimensions,
        sizes=sizes,
        send=send,
        too_long=too_long,
    )
