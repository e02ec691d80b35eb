"""How far a reindex is: Open WebUI tells nothing until its end, the bridge counts what it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import requests

from embedstack.deploy.console import Report

EVERY = 5.0  # seconds between two lines
COUNTER = "embed_bridge_texts_total{"

T = TypeVar("T")


def texts(url: str, key: str | None) -> int | None:
    """Texts that the bridge has answered since its start; None where it does not tell."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{url.rstrip('/')}/metrics", headers=headers, timeout=10)
    except requests.RequestException:
        return None
    counted = [line.rsplit(" ", 1)[1] for line in answer.text.splitlines() if line.startswith(COUNTER)]
    return int(sum(map(float, counted))) if answer.ok else None


def watched(work: Callable[[], T], report: Report, doing: str, count: Callable[[], int | None], total: int) -> T:
    """What `work` returns, or raises. While it goes on, a line now and then with how many of `total` are done."""
    began, first = time.monotonic(), count()
    with report.step(doing):
        going = _begun(work)
        while not wait([going], EVERY).done:
            report.say(line(doing, count(), first, total, time.monotonic() - began))
        return going.result()


def _begun(work: Callable[[], T]) -> Future[T]:
    """In a thread that does not keep the process alive: Ctrl-C ends the command, not what Open WebUI does."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- raised again where it is waited for
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="reindex").start()
    return future


def line(doing: str, now: int | None, first: int | None, total: int, seconds: float) -> str:
    """`now` and `first`: of a counter; None where it cannot be seen. Pure."""
    if now is None or first is None or not total:
        return f"{doing}: {seconds:.0f} s"
    done = min(now - first, total)
    left = f", {(total - done) * seconds / done:.0f} s left" if 0 < done < total else ""
    return f"{doing}: {done:,} of about {total:,} texts{left}"
