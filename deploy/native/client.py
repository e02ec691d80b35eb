"""What the commands ask of a native stack: start, look, change, wait, stop."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from embedstack.deploy.console import Report
from embedstack.deploy.errors import Blocked, FolderNotUsable, PartNotReady
from embedstack.deploy.native import logs, protocol
from embedstack.deploy.native import process as identity
from embedstack.deploy.native.logs import opened
from embedstack.deploy.native.part import PartSpec, as_now_named
from embedstack.deploy.native.protocol import Request, call
from embedstack.deploy.places import Places
from embedstack.deploy.state import PartState
from embedstack.host import processes

POLL = 0.05  # seconds
START_TIMEOUT = 20.0  # seconds; it takes a third of one
MARGIN = 10.0  # seconds; beyond what the parts may take to stop
LOG_LINES = 20
_KILLED = PartState("supervisor", "failed", reason="killed; the parts go on, `embedstack up` starts another")


@dataclass(frozen=True)
class AppliedParts:
    """What `apply` has changed, by name."""

    started: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.started or self.replaced or self.stopped)


def supervised(places: Places) -> bool:
    """Whether the stack's supervisor runs."""
    return call(places, Request("status")) is not None


def start_supervisor(places: Places) -> bool:
    """Have a supervisor in the background; True where it was not there. Parts that a killed one has left go on.

    FolderNotUsable, PartNotReady.
    """
    if supervised(places):
        return False
    _create(places)
    subprocess.run(
        [*_command(places), "--detach"],
        cwd=places.root,
        env=processes.environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    _wait_answering(places)
    return True


@contextmanager
def attached_supervisor(places: Places) -> "Iterator[subprocess.Popen[bytes]]":
    """The same as our own child, for as long as the block lasts: under systemd, say. It and the parts end with it.

    `wait()` on what this yields returns when it has ended. SIGTERM to us is a KeyboardInterrupt in the block, whatever
    goes on there, and then ends it, in order: systemd sends it to us alone, and kills what is left as soon as we are
    gone. For the main thread. Blocked where one runs already.
    """
    ensure_free(places)
    _create(places)
    with opened(logs.own(places.logs)) as output:
        process = subprocess.Popen(
            _command(places),
            cwd=places.root,
            env=processes.environment(os.environ),
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
    before = signal.signal(signal.SIGTERM, _end)
    try:
        _wait_answering(places)
        yield process
    finally:
        process.terminate()
        process.wait()
        signal.signal(signal.SIGTERM, before)


def ensure_free(places: Places) -> None:
    """Blocked where a supervisor runs."""
    if supervised(places):
        raise Blocked("The stack runs in the background already.", "Stop it first: `embedstack down`.")


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def status(places: Places) -> tuple[PartState, ...] | None:
    """Every part, None where the stack is down. A supervisor that was killed is reported as a part that has failed."""
    answer = call(places, Request("status"))
    if answer is not None:
        return answer.parts
    left = protocol.read_record(places)
    return None if left is None else (_KILLED, *(_unwatched(part) for part in left.parts))


def apply(places: Places, specs: Sequence[PartSpec], report: Report, *, keep: Sequence[str] = ()) -> AppliedParts:
    """Start what is missing or has failed, restart what differs, stop what is neither in `specs` nor named in `keep`.

    Returns once what had to stop has stopped; `wait_ready` waits for the rest. PartNotReady without a supervisor.
    """
    answer = _ask(places, Request("apply", specs=tuple(specs), names=tuple(keep)))
    for spec in specs:
        if spec.name in (*answer.started, *answer.replaced):
            report.command(spec.argv)
    _wait(places, lambda parts: not set(answer.stopped) & {part.name for part in parts}, _stop_timeout(places))
    return AppliedParts(answer.started, answer.replaced, answer.stopped)


def restart(places: Places, names: Sequence[str]) -> None:
    """Stop these parts and start them again. PartNotReady for a name that is none, or without a supervisor."""
    parts = _ask(places, Request("status")).parts
    before = {part.pid for part in parts if part.name in names and part.pid}
    renamed = _renamed(places, names)
    if renamed:  # a supervisor from before an upgrade knows them by the old name alone
        others = (part.name for part in parts if part.name not in renamed)
        _ask(places, Request("apply", specs=tuple(renamed.values()), names=tuple(others)))
    if rest := [name for name in names if name not in renamed]:
        _ask(places, Request("restart", names=tuple(rest)))
    _wait(places, lambda parts: not before & {part.pid for part in parts}, _stop_timeout(places))


def _renamed(places: Places, names: Sequence[str]) -> dict[str, PartSpec]:
    """Those of these parts that run by a name which the bridge's module has no more, each by the name that it has."""
    left = protocol.read_record(places)
    specs = [part.spec for part in left.parts if part.spec.name in names] if left else []
    return {spec.name: now for spec in specs if (now := as_now_named(spec)) != spec}


def stop(places: Places) -> tuple[str, ...]:
    """End every part and the supervisor; the names of those that were there. Also what a killed supervisor has left."""
    if not supervised(places):
        if protocol.read_record(places) is None:
            return ()
        start_supervisor(places)
    longest = _stop_timeout(places)
    names = _ask(places, Request("shutdown")).stopped
    until = time.monotonic() + longest
    while not _let_go(places):
        if time.monotonic() > until:
            raise PartNotReady(f"The stack did not stop within {longest:.0f} s.", f"See {logs.own(places.logs)}.")
        time.sleep(POLL)
    return names


def wait_ready(places: Places, names: Sequence[str], timeout: float, report: Report) -> None:
    """Wait until each of these parts answers. PartNotReady with the end of its log when it has failed, or too late."""
    until = time.monotonic() + timeout
    for name in names:
        with report.step(name):
            _wait_one(places, name, until, timeout)


def _wait_one(places: Places, name: str, until: float, timeout: float) -> None:
    while True:
        part = next((p for p in status(places) or () if p.name == name), None)
        if part is None:
            raise PartNotReady(f"{name} is not part of the stack that runs.", "Run `embedstack up`.")
        if part.state == "running":
            return
        if part.state == "failed":
            raise _not_ready(places, f"{name} does not start: {part.reason}.", name)
        if time.monotonic() > until:
            said = f" ({part.reason})" if part.reason else ""
            raise _not_ready(places, f"{name} was not ready within {timeout:.0f} s{said}.", name)
        time.sleep(POLL)


def _not_ready(places: Places, message: str, name: str) -> PartNotReady:
    path = places.logs / f"{name}.log"
    return PartNotReady(message, "\n".join([f"The end of {path}:", *logs.tail(path, LOG_LINES)]))


def _unwatched(part: protocol.RecordedPart) -> PartState:
    name, who = part.spec.name, part.who
    if who is not None and identity.find(who):
        reason = "nobody watches over it"
        return PartState(name, "running", part.spec.address, who.pid, who.created, part.restarts, reason)
    return PartState(name, "stopped", part.spec.address, reason="it ended, and nobody started it again")


def _command(places: Places) -> list[str]:
    return processes.command("-m", "embedstack.deploy.native", "--root", str(places.root))


def _create(places: Places) -> None:
    try:
        places.create()
    except OSError as error:
        raise FolderNotUsable(
            f"{places.root} cannot be used: {error.strerror}.", "Set EMBEDSTACK_HOME to a folder that you may write to."
        ) from error


def _ask(places: Places, request: Request) -> protocol.Reply:
    answer = call(places, request)
    if answer is None:
        raise PartNotReady("The stack's supervisor does not run.", "Run `embedstack up`.")
    return answer


def _wait_answering(places: Places) -> None:
    until = time.monotonic() + START_TIMEOUT
    while not supervised(places):
        if time.monotonic() > until:
            raise _not_ready(places, f"The supervisor did not answer within {START_TIMEOUT:.0f} s.", "supervisor")
        time.sleep(POLL)


def _wait(places: Places, met: Callable[[tuple[PartState, ...]], bool], timeout: float) -> None:
    until = time.monotonic() + timeout
    while not met(_ask(places, Request("status")).parts):
        if time.monotonic() > until:
            raise PartNotReady(
                f"What had to stop did not within {timeout:.0f} s.", "`embedstack status` shows which part."
            )
        time.sleep(POLL)


def _stop_timeout(places: Places) -> float:
    left = protocol.read_record(places)
    return MARGIN + sum(part.spec.stop_timeout for part in left.parts) if left else MARGIN


def _let_go(places: Places) -> bool:
    """Whether no supervisor holds the stack any more."""
    with os.fdopen(os.open(places.run / "supervisor.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
