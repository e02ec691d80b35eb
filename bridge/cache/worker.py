"""One thread that does the waiting for a disk, so that the event loop does none."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Duty(Protocol):
    """What the thread does of its own accord. An exception out of any of these ends the thread."""

    def begin(self) -> None: ...

    def tick(self) -> float | None:
        """Do what is due; seconds until there is more, None when there is none."""

    def end(self) -> None:
        """Let go of all that is open, after an exception too."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], object]
    give_up: Callable[[], object] = _nothing


class Worker:
    """Does jobs in their order. `is_late`: somebody has stopped waiting for an answer, and none has come since."""

    def __init__(self, duty: Duty, name: str) -> None:
        self.is_on = True
        self.is_late = False
        self._duty = duty
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, work: Callable[[], object], give_up: Callable[[], object] = _nothing) -> bool:
        """To be done soon; `give_up` is called instead where the thread ends first. False: it has ended."""
        with self._ending:
            if self.is_on:
                self._jobs.put(_Job(work, give_up))
            return self.is_on

    async def ask(self, work: Callable[[], T], otherwise: T, patience: float) -> T:
        """The result of `work`; `otherwise` when it fails, when there is no thread, or after `patience` seconds."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def answer(result: T) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(_resolve, future, result)

        if not self.post(lambda: answer(work()), lambda: answer(otherwise)):
            return otherwise
        timer = loop.call_later(patience, self._give_up_on, future, otherwise)
        try:
            return await future
        finally:
            timer.cancel()

    async def close(self, patience: float) -> None:
        """When all jobs are done, or after so many seconds."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, patience)

    def _give_up_on(self, future: asyncio.Future[T], otherwise: T) -> None:
        self.is_late = True
        _resolve(future, otherwise)

    def _run(self) -> None:
        try:
            try:
                self._duty.begin()
                while (job := self._next()) is not None:
                    _do(job)
                    self.is_late = False
            finally:
                self._duty.end()
        except Exception:
            log.exception("the cache on disk failed unexpectedly; it is off until the bridge is started again")
        finally:
            self._abandon()

    def _next(self) -> _Job | None:
        while True:
            try:
                return self._jobs.get(timeout=self._duty.tick())
            except queue.Empty:
                continue

    def _abandon(self) -> None:
        with self._ending:
            self.is_on = False
        with contextlib.suppress(queue.Empty):
            while True:
                if (job := self._jobs.get_nowait()) is not None:
                    job.give_up()


def _do(job: _Job) -> None:
    try:
        job.work()
    except Exception:
        log.exception("the cache on disk failed unexpectedly")
        job.give_up()


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)
