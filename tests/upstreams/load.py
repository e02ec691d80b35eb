"""Clients that ask without pause, so that something is in flight whatever happens meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from tests.bridge_process import Bridge


@dataclass(frozen=True)
class Answered:
    """One exchange; times are monotonic seconds."""

    texts: tuple[str, ...]
    began: float
    ended: float
    response: requests.Response

    @property
    def good(self) -> bool:
        return self.response.status_code == 200


@dataclass
class Load:
    """What the clients have been answered so far."""

    answers: list[Answered] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def good_since(self, moment: float) -> list[Answered]:
        """The good answers to what was asked after a moment, the earliest first."""
        since = [answer for answer in list(self.answers) if answer.good and answer.began > moment]
        return sorted(since, key=lambda answer: answer.ended)


@contextmanager
def under_load(bridge: Bridge, batches: Sequence[tuple[str, ...]]) -> Iterator[Load]:
    """One client for each of `batches`, which it sends over and over until the block ends."""
    load, stop = Load(), threading.Event()

    def client(texts: tuple[str, ...]) -> None:
        with requests.Session() as session:
            while not stop.is_set():
                began = time.monotonic()
                body = {"model": "demo", "input": list(texts)}
                try:
                    response = session.post(f"{bridge.url}/api/embed", json=body, timeout=60)
                except requests.RequestException as error:
                    load.failures.append(error)
                    return
                load.answers.append(Answered(texts, began, time.monotonic(), response))

    threads = [threading.Thread(target=client, args=(texts,)) for texts in batches]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)


def wait_until(condition: Callable[[], object], *, within: float, what: str) -> None:
    """AssertionError where it does not come true in so many seconds."""
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until, f"not within {within:g} s: {what}"
        time.sleep(0.01)
