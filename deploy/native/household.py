"""All parts of a stack: what is asked of them together, in which order they start and stop. Nothing here waits."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedstack.deploy.native import logs as rotation
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.native.process import Run
from embedstack.deploy.native.protocol import RecordedPart, Reply, Request, SupervisorRecord
from embedstack.deploy.native.watched import Watched

log = logging.getLogger(__name__)


class Household:
    """The parts by name. `logs` is where they write, `environ` what they inherit from."""

    def __init__(self, logs: Path, environ: Mapping[str, str], pid: int) -> None:
        self.parts: dict[str, Watched] = {}
        self._logs = logs
        self._environ = environ
        self._pid = pid

    def take_over(self, record: SupervisorRecord) -> None:
        """Watch over what an earlier supervisor has left running. What has ended since is for `apply` to start."""
        for recorded in record.parts:
            if recorded.who and (run := Run.adopt(recorded.who)):
                part = self._watch(recorded.spec, run)
                part.restarts = recorded.restarts
                log.info("%s: taken over as process %d", recorded.spec.name, recorded.who.pid)

    def answer(self, request: Request) -> Reply:
        match request.do:
            case "apply":
                return self._apply(request.specs, request.names)
            case "restart":
                return self._restart(request.names)
            case "shutdown":
                return self._reply(stopped=self._stop(list(self.parts)))
            case "status":
                return self._reply()

    def tick(self) -> bool:
        """Do what is due; True where the record has changed."""
        changed = False
        for name, part in list(self.parts.items()):
            changed |= part.tick(may_start=self._may_start(part), may_stop=self._may_stop(name))
            if part.gone:
                del self.parts[name]
                changed = True
        return changed

    def rotate(self) -> None:
        for log_file in (rotation.own(self._logs), *(part.log_file for part in self.parts.values())):
            rotation.rotate(log_file)

    def record(self) -> SupervisorRecord:
        kept = (RecordedPart(p.spec, p.run.who if p.run else None, p.restarts) for p in self.parts.values())
        return SupervisorRecord(self._pid, tuple(kept))

    def _watch(self, spec: PartSpec, run: Run | None = None) -> Watched:
        part = Watched(spec, self._logs / f"{spec.name}.log", self._environ, run)
        self.parts[spec.name] = part
        return part

    def _apply(self, specs: Sequence[PartSpec], others: Sequence[str]) -> Reply:
        started, replaced = [], []
        for spec in specs:
            part = self.parts.get(spec.name)
            if part is None:
                self._watch(spec)
                started.append(spec.name)
            elif not part.wanted or part.to_be.digest != spec.digest:
                part.replace(spec)
                replaced.append(spec.name)
            elif part.run is None:  # failed, or waiting for its next start
                part.restart()
                started.append(spec.name)
        named = {*others, *(spec.name for spec in specs)}
        stopped = self._stop([name for name in self.parts if name not in named])
        return self._reply(started=started, replaced=replaced, stopped=stopped)

    def _restart(self, names: Sequence[str]) -> Reply:
        if unknown := [name for name in names if name not in self.parts]:
            return self._reply(error=f"no such part: {', '.join(unknown)}; there are {', '.join(self.parts)}")
        for name in names:
            self.parts[name].restart()
        return self._reply(started=names)

    def _stop(self, names: list[str]) -> list[str]:
        for name in names:
            self.parts[name].stop()
        return names

    def _reply(
        self,
        *,
        started: Sequence[str] = (),
        replaced: Sequence[str] = (),
        stopped: Sequence[str] = (),
        error: str = "",
    ) -> Reply:
        states = tuple(part.state for part in self.parts.values())
        return Reply(self._pid, states, tuple(started), tuple(replaced), tuple(stopped), error)

    def _may_start(self, part: Watched) -> bool:
        """Once those before it have been started; they need not be well, or one would keep the others down."""
        return all(self.parts[name].tried for name in part.to_be.after if name in self.parts)

    def _may_stop(self, name: str) -> bool:
        """Once none that was started after it is left to stop."""
        return not any(name in part.spec.after and not part.wanted for part in self.parts.values())
