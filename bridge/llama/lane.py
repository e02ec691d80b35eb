"""A context and its texts in a thread of their own: one lane for questions, one for documents."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from embedstack.bridge.llama.frames import Ask, Cancel, Computed
from embedstack.bridge.llama.library import Aborted, LlamaContext, LlamaModel
from embedstack.bridge.llama.work import Sizes, Work


class Lane:
    """Computes what is put into it.

    With `yields`, another lane, every text here has the right of way: the other lane's decode stops where it is until
    there is nothing to do here, and loses nothing. A text that is too long for the cells here goes there.
    """

    def __init__(
        self,
        model: LlamaModel,
        sizes: Sizes,
        *,
        threads: int,
        send: Callable[[Computed], None],
        yields: Lane | None = None,
    ) -> None:
        self.context = LlamaContext(
            model, cells=sizes.cells, sequences=sizes.sequences, batch=sizes.slice, threads=threads
        )
        self._yields = yields
        self._inbox: queue.SimpleQueue[Ask | Cancel] = queue.SimpleQueue()
        self._work = Work(
            self.context,
            model.tokens,
            prompt_tokens=model.prompt_tokens,
            dimensions=model.dimensions,
            sizes=sizes,
            send=send,
            too_long=yields.put if yields else None,
        )

    def start(self, *, ended: Callable[[BaseException], None]) -> None:
        """In a thread of its own, for ever; `ended` is called with what ends it."""
        threading.Thread(target=self._run, args=(ended,), daemon=True).start()

    def put(self, frame: Ask | Cancel) -> None:
        """Any thread may call this."""
        self._inbox.put(frame)
        if isinstance(frame, Cancel) and self._work.only(frame.call, frame.indexes):
            self.context.abort()

    def _run(self, ended: Callable[[BaseException], None]) -> None:
        try:
            while True:
                self._turn()
        except BaseException as error:  # noqa: BLE001 -- the caller decides
            ended(error)

    def _turn(self) -> None:
        # Before the inbox is looked at: a text that is cancelled after that sets it again.
        self.context.clear_abort()
        if self._yields and self._work.is_idle:
            self._yields.context.unpause()
        self._hear()
        if self._yields and not self._work.is_idle:
            self._yields.context.pause()
        try:
            self._work.step()
        except Aborted:
            return

    def _hear(self) -> None:
        """Take all that has come; wait for something where there is nothing to do."""
        while True:
            try:
                frame = self._inbox.get(block=self._work.is_idle)
            except queue.Empty:
                return
            if isinstance(frame, Ask):
                self._work.take(frame)
                continue
            self._work.cancel(frame)
            if self._yields:
                self._yields.put(frame)  # the text may have gone there
