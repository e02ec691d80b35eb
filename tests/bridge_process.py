"""A real `embed-bridge` process on a free port, as a person would start it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.engines.process import free_port

INTERFACE = os.environ.get("EMBEDDED_INTERFACE")
"""How embedded engines are run, where a test does not say it itself: `make test-fallback` sets it."""
READY_TIMEOUT = 120.0  # seconds; an engine behind it may load a model first


@dataclass(frozen=True)
class Bridge:
    """A running bridge: its base URL, process id and log file."""

    url: str
    pid: int
    log: Path

    def ready(self) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.url}/readyz", timeout=60).json()
        return answer

    def index(self) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.url}/v1/index", timeout=60).json()
        return answer

    def wait_state(self) -> dict[str, Any]:
        """What /readyz says once the first look at the engine is over."""
        until = time.monotonic() + READY_TIMEOUT
        while (state := self.ready())["backends"][0]["reason"] == "starting":
            assert time.monotonic() < until, state
            time.sleep(0.05)
        return state

    def wait_settled(self) -> dict[str, Any]:
        """What /readyz says once the gate has judged the engine, for good or bad."""
        until = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < until:
            state = self.ready()
            if state["ready"] or state["backends"][0]["checks"]:
                return state
            time.sleep(0.05)
        raise AssertionError(f"no verdict on the engine within {READY_TIMEOUT:.0f} s: {state}")

    def post(self, path: str, body: object, **kwargs: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=kwargs.pop("timeout", 120), **kwargs)

    def embed(self, *texts: str, **fields: object) -> list[list[float]]:
        """Vectors of texts through /api/embed; the answer must be 200."""
        response = self.post("/api/embed", {"model": "demo", "input": list(texts), **fields})
        assert response.status_code == 200, response.text
        vectors: list[list[float]] = response.json()["embeddings"]
        return vectors


@contextmanager
def bridge(
    *arguments: str,
    wait_ready: bool = True,
    cached: bool = False,
    env: Mapping[str, str] | None = None,
    soft_files: int | None = None,
    most_files: int | None = None,
    program: Sequence[str] = (sys.executable, "-m", "embedstack.bridge"),
) -> Iterator[Bridge]:
    """`embed-bridge ARGUMENTS` until the block ends. AssertionError, with its log, where it does not become ready.

    Without a cache unless `cached`, so that every request reaches the engine. `wait_ready` False waits only until it
    listens: its engine may be wrong or away on purpose. `soft_files` is the soft limit of open files it starts
    with, `most_files` one that it cannot raise. `program` is the `embed-bridge` of another environment.
    """
    with tempfile.TemporaryDirectory(prefix="embed-bridge-") as folder:
        log = Path(folder) / "log.txt"
        url = f"http://127.0.0.1:{(port := free_port())}"
        own = [f"cache.folder={Path(folder) / 'cache'}"] if cached else ["cache.memory=0", "cache.disk=0"]
        if INTERFACE and {"--demo", "--gguf"} & set(arguments):
            own.append(f"engine.interface={INTERFACE}")
        sets = [part for setting in own for part in ("--set", setting)]
        command = [*program, *sets, *arguments, "--listen", f"127.0.0.1:{port}"]
        passed = {name: value for name, value in os.environ.items() if not name.startswith(("EMBED_BRIDGE_", "OLLAMA"))}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_limited("-S -n", soft_files), *_limited("-n", most_files), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**passed, **(env or {})},
            )
        try:
            _wait(process, url + ("/readyz" if wait_ready else "/healthz"), log)
            yield Bridge(url, process.pid, log)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _limited(flags: str, files: int | None) -> list[str]:
    return [] if files is None else ["sh", "-c", f'ulimit {flags} {files}; exec "$@"', "sh"]


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + READY_TIMEOUT
    said = ""
    while time.monotonic() < until and process.poll() is None:
        try:
            answer = requests.get(url, timeout=5)
            if answer.status_code == 200:
                return
            said = answer.text
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.05)
    raise AssertionError(f"the bridge did not become ready: {said}\n{log.read_text(errors='replace')[-3000:]}")
