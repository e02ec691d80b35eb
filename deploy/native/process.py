"""One run of a part: a process that we have started, or one that a supervisor before us has left."""

import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from embedstack.deploy.native import identity, logs
from embedstack.deploy.native.identity import MARK, Identity
from embedstack.deploy.native.part import PartSpec, inherited


class Run:
    """A process from its start to its end. `process` is None where it is not our child."""

    def __init__(self, who: Identity, process: "subprocess.Popen[bytes] | None") -> None:
        self.who = who
        self._process = process
        self._found = identity.find(who)
        self._began = time.monotonic()

    @classmethod
    def start(cls, spec: PartSpec, log: Path, environ: Mapping[str, str]) -> "Run":
        """Start it in a session of its own, writing to `log` itself: it must outlive us. OSError where it cannot."""
        token = identity.new_token()
        with logs.opened(log) as output:
            process = subprocess.Popen(
                spec.argv,
                cwd=spec.cwd,
                env={**inherited(environ), **spec.environment, MARK: token},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(identity.identify(process.pid, token), process)

    @classmethod
    def adopt(cls, who: Identity) -> "Run | None":
        """The process, if it still runs; what it has left is ended if it does not."""
        run = cls(who, None)
        if run.alive():
            return run
        identity.kill_all(identity.offspring(who, watched=False))
        return None

    def alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        with suppress(psutil.Error):
            return self._found is not None and self._found.is_running() and self._found.status() != psutil.STATUS_ZOMBIE
        return False

    @property
    def lasted(self) -> float:
        """Seconds that it has been watched over."""
        return time.monotonic() - self._began

    @property
    def ending(self) -> str:
        """How it ended."""
        if self._process is None or self._process.returncode is None:
            return "it ended"
        code = self._process.returncode
        return f"it ended with status {code}" if code >= 0 else f"it was killed by signal {-code}"

    def terminate(self) -> None:
        """Ask it to end; it ends its own children."""
        self._signal("terminate")

    def kill(self) -> None:
        self._signal("kill")

    def sweep(self) -> None:
        """End what it has left behind, once it has ended itself."""
        identity.kill_all(identity.offspring(self.who, watched=True))

    def _signal(self, how: str) -> None:
        # Popen and psutil both make sure that the number is still that of the process that was started.
        with suppress(psutil.Error, ProcessLookupError):
            getattr(self._process or self._found, how)()
