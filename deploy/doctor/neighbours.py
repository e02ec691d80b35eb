"""The other stacks of this user: whose a port is, and which ports are spoken for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

import psutil

from embedstack.deploy import record
from embedstack.deploy.errors import DeployError
from embedstack.deploy.native import protocol as native_record
from embedstack.deploy.places import Places, home
from embedstack.deploy.sites.found import site

SUPERVISORS = {"embedstack.deploy.native", "deploy.native"}
"""What `-m` runs; the second in a stack that was brought up before the package was called embedstack."""
_OF_DOCKER = ("docker-proxy", "com.docker", "rootlesskit", "vpnkit")


@dataclass(frozen=True)
class Neighbour:
    """A stack that was brought up beside this one. `containers`: its ports are the daemon's, for all that is seen."""

    stack: str
    ports: frozenset[int]
    pids: frozenset[int] = frozenset()
    containers: bool = False


@dataclass(frozen=True)
class Owner:
    """The stack that has a port. `home`: its EMBEDSTACK_HOME where that is another one, else ""."""

    stack: str
    home: str = ""

    def __str__(self) -> str:
        return f"the stack {self.stack}{f' of {self.home}' if self.home else ''}"

    @property
    def stop(self) -> str:
        down = f"`embedstack down --stack {self.stack}`"
        return f"{down} with EMBEDSTACK_HOME={self.home}" if self.home else down


def look(own: Places) -> tuple[Neighbour, ...]:
    """All but `own`; one whose files cannot be read is left out."""
    folder = home() / "stacks"
    others = sorted(folder.iterdir()) if folder.is_dir() else []
    return tuple(_neighbour(Places(root)) for root in others if root != own.root and root.is_dir())


def whose(pids: Collection[int], program: str, port: int, neighbours: Iterable[Neighbour]) -> Owner | None:
    """The stack that has a port, by the processes from the one that listens upwards; None where it is none's."""
    for one in neighbours:
        by_daemon = one.containers and port in one.ports and (not pids or program.startswith(_OF_DOCKER))
        if by_daemon or not one.pids.isdisjoint(pids):
            return Owner(one.stack)
    return next(_supervised(pids), None)


def _neighbour(places: Places) -> Neighbour:
    urls: list[str | None] = []
    pids: list[int] = []
    containers = False
    try:
        up = record.read(places)
        containers = not site(up.mode).holds_ports
        urls += [up.bridge_url, up.webui_url, up.ollama_url if up.managed else None]
    except DeployError:
        pass  # it was never up, or nobody can tell how
    try:
        if (running := native_record.read_record(places)) is not None:
            urls += [part.spec.address for part in running.parts]
            pids += [running.pid, *(part.who.pid for part in running.parts if part.who)]
    except DeployError:
        pass
    return Neighbour(places.root.name, frozenset(_ports(urls)), frozenset(pids), containers)


def _ports(urls: Sequence[str | None]) -> Iterator[int]:
    for url in urls:
        if url and (port := urlsplit(url).port):
            yield port


def _supervised(pids: Collection[int]) -> Iterator[Owner]:
    """One that keeps its data elsewhere (EMBEDSTACK_HOME) is known by its supervisor's command line."""
    for pid in pids:
        try:
            argv = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if SUPERVISORS.intersection(argv) and "--root" in argv[:-1]:
            root = PurePath(argv[argv.index("--root") + 1])
            yield Owner(root.name, "" if root.parent == home() / "stacks" else str(root.parents[1]))
