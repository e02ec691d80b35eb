"""A stack's containers: started from a plan, and found again by the name of their project. The bridge's image is built
here, from the very sources that run this command, and only when they have changed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from embedstack.deploy.console import Report
from embedstack.deploy.docker import argv, cli, compose, containers, written
from embedstack.deploy.docker.compose import Gpu
from embedstack.deploy.docker.containers import Container
from embedstack.deploy.docker.variables import ContainerHost
from embedstack.deploy.errors import CommandFailed, DeployError, NotRunning, PartNotReady
from embedstack.deploy.places import Places
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.state import PartState
from embedstack.host import processes

LABEL = "embedstack.sources"
LINKED = ("bridge", "deploy", "modelfiles")
"""Folders of the package that stand beside it in a checkout, as they do in what is staged."""
BESIDE = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
# What the bridge is made of: a change in the toolkit, which the wheel holds as well, is no reason to build again.
DECISIVE = ("bridge", "modelfiles", "embedstack", "pyproject.toml", "constraints.txt", "compose/bridge.Dockerfile")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.py[co]", "files")


def stage(context: Path) -> str:
    """Copy to `context`, an empty folder, what the image is built from; its digest. DeployError, OSError."""
    beside, package = compose.source_folder(), compose.package_folder()
    shutil.copytree(beside / "compose", context / "compose", ignore=_LEFT_OUT)
    shutil.copytree(package, context / "embedstack", ignore=_without_links(package))
    for name in LINKED:
        shutil.copytree(package / name, context / name, ignore=_LEFT_OUT)
        (context / "embedstack" / name).symlink_to(Path("..", name))
    for name in BESIDE:
        if not (beside / name).is_file():
            raise DeployError(f"{beside / name} is missing, which the bridge's image is built from.", "Install again.")
        shutil.copy2(beside / name, context / name)
    return digest(context)


def _without_links(package: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {*_LEFT_OUT(folder, names), *(LINKED if Path(folder) == package else ())}

    return ignored


def digest(folder: Path) -> str:
    """16 hex digits over names and contents of the decisive files."""
    whole = hashlib.sha256()
    wanted = [folder / name for name in DECISIVE]
    for path in sorted(path for top in wanted for path in (top, *top.rglob("*")) if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(folder)}\0{content}\n".encode())
    return whole.hexdigest()[:16]


def image_label(sources: str, base: str) -> str:
    """What marks an image that was built from these sources on that base."""
    return f"{LABEL}={sources} {base}"


LAST_LINES = 20
RESTART_TIMEOUT = 300.0  # seconds: a model is read into memory again before its engine is healthy
POLL = 0.5  # seconds


@dataclass(frozen=True)
class Containers:
    """The containers of a stack, no matter who started them."""

    project: str
    report: Report

    def states(self) -> tuple[PartState, ...]:
        """Every part; empty where nothing of the stack is there. EngineNotUsable where no daemon answers."""
        return tuple(containers.state(container) for container in self._look())

    def stop(self, *, volumes: bool) -> tuple[str, ...]:
        """Stop and remove all containers and the network, the volumes too if asked for; the names of the parts."""
        stopped = tuple(part.name for part in self.states())
        cli.run(argv.down(self.project, volumes=volumes), self.report)
        return stopped

    def restart(self, names: Sequence[str]) -> tuple[PartState, ...]:
        """Start these again, all where none is named, and wait until they run, one has failed, or it took too long.

        NotRunning for a name that is none.
        """
        self._check(names)
        cli.run(argv.restart(self.project, names), self.report)
        with self.report.step(f"restarting {', '.join(names) or self.project}"):
            return self._settled(names)

    def logs(self, names: Sequence[str], *, lines: int, follow: bool) -> Iterator[str]:
        """The last lines of each part, then what comes. NotRunning for a name that is none."""
        self._check(names)
        return cli.lines(argv.logs(self.project, names, lines=lines, follow=follow), self.report)

    def last_log_lines(self, name: str, lines: int = LAST_LINES) -> tuple[str, ...]:
        """Of one part; empty where it has never run."""
        with cli.client() as connected:
            for container in containers.look(connected, self.project):
                if containers.service(container) == name:
                    raw = connected.containers.get(container["Id"]).logs(tail=lines)
                    return tuple(raw.decode(errors="replace").splitlines())
        return ()

    def _settled(self, names: Sequence[str]) -> tuple[PartState, ...]:
        until = time.monotonic() + RESTART_TIMEOUT
        while True:
            found = self.states()
            how = {part.state for part in found if not names or part.name in names}
            if not how & {"starting", "backoff"} or "failed" in how or time.monotonic() > until:
                return found
            time.sleep(POLL)

    def _look(self) -> tuple[Container, ...]:
        with cli.client() as connected:
            return containers.look(connected, self.project)

    def _check(self, names: Sequence[str]) -> None:
        known = [part.name for part in self.states()]
        if unknown := [name for name in names if name not in known]:
            raise NotRunning(
                f"{self.project} has no part {unknown[0]!r}; it has {', '.join(known) or 'none'}.",
                "`embedstack status` shows the parts.",
            )


@dataclass(frozen=True)
class PlannedContainers(Containers):
    """The containers that a plan asks for."""

    plan: Plan
    secrets: WebuiSecrets
    places: Places
    gpu: Gpu | None
    machine: ContainerHost

    def start(self, names: Sequence[str]) -> bool:
        """See that these run as planned, and wait until they are healthy; whether anything had to be done for it.

        PartNotReady with the last lines of the part's log, CommandFailed.
        """
        project = written.write(self.plan, self.secrets, self.folder, self.gpu, self.machine)
        built = any(name.startswith("bridge") for name in names) and self._build()
        before = self._identities()
        self._drop_unplanned()
        try:
            cli.run(project.up(names, self.plan.settings.stack.wait), self.report)
        except CommandFailed as error:
            self._explain(error)
        # Compose may end with 0 as its time runs out, by luck (2.40.3; docker/compose#14105, mended in August 2026).
        if late := self._first_in("failed", "backoff", "starting", among=names):
            raise self._not_ready(late)
        return built or self._identities() != before

    def in_webui(self, script: str, argument: str) -> str:
        """What a Python script prints in a container of Open WebUI's image, with its variables. CommandFailed."""
        project = written.write(self.plan, self.secrets, self.folder, self.gpu, self.machine)
        argv = processes.command("-c", script, argument, program="python3")
        return cli.run(project.run("open-webui", *argv), self.report)

    def config(self) -> str:
        """The Compose file that comes of all layers, as YAML. No secret is in it: none is written for it."""
        with tempfile.TemporaryDirectory(prefix="embedstack-") as folder:
            scratch = Path(folder) / "compose"
            project = written.write(written.hidden(self.plan), written.Hidden(), scratch, self.gpu, self.machine)
            resolved = cli.run(project.config(self.plan.parts), self.report)
        return resolved.replace(str(scratch), str(self.folder))

    @property
    def folder(self) -> Path:
        return self.places.run / "compose"

    def _build(self) -> bool:
        """Build the bridge's image unless it is there and of these sources."""
        images = self.plan.settings.images
        with tempfile.TemporaryDirectory(prefix="embedstack-image-") as folder:
            context = Path(folder)
            label = image_label(stage(context), images.bridge_base)
            if self._has(images.bridge, label):
                return False
            cli.run(argv.build(context, images.bridge, images.bridge_base, label), self.report)
        return True

    def _has(self, name: str, label: str) -> bool:
        key, _, value = label.partition("=")
        with cli.client() as connected:
            found = connected.images.list(name=name, filters={"label": f"{key}={value}"})
        return bool(found)

    def _identities(self) -> dict[str, tuple[str, str]]:
        planned = self.plan.parts
        found = {containers.service(container): containers.identity(container) for container in self._look()}
        return {name: identity for name, identity in found.items() if name in planned}

    def _drop_unplanned(self) -> None:
        """Remove what an earlier plan had and this one has not, as Ollama after a change of engine; volumes stay."""
        planned = self.plan.parts
        names = [str(one["Name"]).lstrip("/") for one in self._look() if containers.service(one) not in planned]
        if names:
            cli.run(argv.remove(names), self.report)

    def _explain(self, error: CommandFailed) -> NoReturn:
        """Raise what can be said of the part that is not well, else the command's own words."""
        # Compose says no more than this when a part is still starting as its time runs out, or has just been started
        # again after it ended, and so is "starting" once more when we look.
        late = not error.advice or any(resolved in error.advice for resolved in ("not healthy", "is unhealthy"))
        unwell = ("failed", "backoff", "starting") if late else ("failed", "backoff")
        part = self._first_in(*unwell)
        if part is None:
            raise error
        raise self._not_ready(part) from error

    def _first_in(self, *unwell: str, among: Sequence[str] = ()) -> PartState | None:
        """A part that is in one of these states, the worst of them first; of all parts, or of those named."""
        parts = [part for part in self.states() if not among or part.name in among]
        return next((part for state in unwell for part in parts if part.state == state), None)

    def _not_ready(self, part: PartState) -> PartNotReady:
        last = "\n".join(self.last_log_lines(part.name))
        return PartNotReady(
            f"{part.name} is not well: {part.reason}.",
            f"Its last lines:\n{last}\n`embedstack logs {part.name}` shows all of them.",
        )
