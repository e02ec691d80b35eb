"""A stack as processes of this user.

A few lines of Python, run by that of Open WebUI's environment: it has what we have not, as a database's driver.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import NotRunning, PartNotReady
from embedstack.deploy.native import client, logs, protocol
from embedstack.deploy.native.part import PartSpec, inherited
from embedstack.deploy.native.parts import WEBUI
from embedstack.deploy.places import Places
from embedstack.deploy.state import PartState
from embedstack.host import processes

TIMEOUT = 60.0  # seconds


def run(webui: PartSpec, script: str, argument: str) -> str:
    """What it prints, with the variables that Open WebUI is started with. PartNotReady with its last word."""
    argv = processes.command("-c", script, argument, program=Path(webui.argv[0]).with_name("python"))
    environ = {**inherited(os.environ), **webui.environment}
    try:
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise PartNotReady(f"Open WebUI's vector store gave no answer within {TIMEOUT:.0f} s.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PartNotReady(
            f"Open WebUI's vector store could not be asked: {last}",
            "See that its server runs, and that webui.vector_store_url and webui.vector_store_key_file are right.",
        )
    return done.stdout


class NativeRunner:
    """Parts by their specs; the other verbs need none, since the supervisor knows them."""

    def __init__(self, places: Places, report: Report, specs: Sequence[PartSpec] = ()) -> None:
        self._places = places
        self._report = report
        self._specs = {spec.name: spec for spec in specs}

    def start(self, names: Sequence[str]) -> bool:
        began = client.start_supervisor(self._places)
        wanted = [self._specs[name] for name in names if name in self._specs]
        # Those of a later step are not stopped meanwhile: they are left as they are until their turn comes.
        applied = client.apply(self._places, wanted, self._report, keep=tuple(self._specs))
        for spec in wanted:
            client.wait_ready(self._places, (spec.name,), spec.ready_timeout, self._report)
        return began or not applied.nothing

    def in_webui(self, script: str, argument: str) -> str:
        return run(self._specs[WEBUI], script, argument)

    def states(self) -> tuple[PartState, ...]:
        return client.status(self._places) or ()

    def stop(self, *, volumes: bool) -> tuple[str, ...]:  # noqa: ARG002 -- as every runner takes it
        """`volumes` changes nothing here: what the parts keep lies in the stack's folder."""
        return client.stop(self._places)

    def restart(self, names: Sequence[str]) -> tuple[PartState, ...]:
        known = [part.name for part in self.states()]
        wanted = _known(names, known)
        client.restart(self._places, wanted)
        recorded = protocol.read_record(self._places)
        for part in recorded.parts if recorded else ():
            if part.spec.name in wanted:
                client.wait_ready(self._places, (part.spec.name,), part.spec.ready_timeout, self._report)
        return self.states()

    def logs(self, names: Sequence[str], *, lines: int, follow: bool) -> Iterator[str]:
        wanted = _known(names, logs.parts(self._places))
        width = max(map(len, wanted), default=0)
        for line in logs.last(self._places, wanted, lines):
            yield f"{line.part:<{width}} | {line.text}"
        if follow:
            for line in logs.follow(self._places, wanted):
                yield f"{line.part:<{width}} | {line.text}"


def _known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """`names`, or all that are known; NotRunning for one that is not."""
    if unknown := [name for name in names if name not in known]:
        raise NotRunning(f"The stack has no part {', '.join(unknown)}.", f"It has {', '.join(known) or 'none'}.")
    return list(names or known)
