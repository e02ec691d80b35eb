"""A bridge of our own: `embed-bridge --demo` as a child process, from its start to its end."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.errors import BridgeNotReady, BridgeRefused
from embedstack.host import processes
from embedstack.host.addresses import LOOPBACK

READY_TIMEOUT = 60.0  # seconds; it takes about two
POLL = 0.05  # seconds
STOP_TIMEOUT = 15.0  # seconds; the bridge itself gives requests in flight ten
LOG_LINES = 20


@dataclass(frozen=True)
class BridgeChild:
    """A bridge that runs; `log` is its standard error."""

    process: subprocess.Popen[bytes]
    log: Path
    client: BridgeClient

    def wait(self) -> NoReturn:
        """BridgeNotReady as soon as it ends by itself."""
        status = self.process.wait()
        raise BridgeNotReady(f"The bridge ended with status {status}.", self.last_lines())

    def last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join(["The end of its log:", *lines])


@contextmanager
def demo_bridge(port: int) -> Iterator[BridgeChild]:
    """The bridge with the demo model on `port`, ready, until the block ends. BridgeNotReady."""
    with tempfile.TemporaryDirectory(prefix="embedstack-demo-") as folder:
        log = Path(folder) / "embed-bridge.log"
        child = BridgeChild(_start(Path(folder), log, port), log, BridgeClient(f"http://{LOOPBACK}:{port}"))
        try:
            _wait_ready(child)
            yield child
        finally:
            _stop(child.process)


def _start(folder: Path, log: Path, port: int) -> subprocess.Popen[bytes]:
    # The demo is the same everywhere: neither a configuration file nor a variable that is meant for another bridge
    # (with keys, say, or other prompts) takes part in it.
    config = folder / "embed-bridge.yaml"
    config.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMBED_BRIDGE_")}
    command = processes.command(
        "-m", "embedstack.bridge", "--demo", "--config", str(config), "--listen", f"{LOOPBACK}:{port}"
    )
    # llama.cpp's threads wait for each other by spinning: on a busy machine two took four times as long as one.
    command += ["--set", "engine.threads=1"]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=processes.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it; two signals at once would cut its answers
        )


def _wait_ready(child: BridgeChild) -> None:
    until = time.monotonic() + READY_TIMEOUT
    reason = "it does not answer"
    while time.monotonic() < until:
        if (status := child.process.poll()) is not None:
            raise BridgeNotReady(f"The bridge ended with status {status} before it was ready.", child.last_lines())
        try:
            ready, reason = child.client.ready()
        except BridgeRefused as error:
            ready, reason = False, error.message
        if ready:
            return
        time.sleep(POLL)
    raise BridgeNotReady(f"The bridge was not ready within {READY_TIMEOUT:.0f} s: {reason}", child.last_lines())


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    finally:  # a second Ctrl-C while we wait must not leave it behind either
        process.kill()
        process.wait()
