"""What the Docker daemon is and can do, for the choice of a mode and for `doctor`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from embedstack.deploy.docker import client, gpu
from embedstack.deploy.docker.compose import Gpu
from embedstack.deploy.errors import DeployError, EngineNotUsable

COMPOSE_LEAST = (2, 20)


@dataclass(frozen=True)
class Daemon:
    """A daemon as it was found.

    Attributes:
        why_not: why it does not answer; "" where it does, and then the rest is known.
        compose: version of the Compose plugin, None where there is none.
        root: where it keeps images and volumes (a path of its own machine).
        runtimes: as `docker info` has them.
        cdi: kinds of devices, or devices, known by the Container Device Interface.
        groups: of an AMD GPU's devices: video, render.
        memory: bytes that it may use; another number than the machine's under Docker Desktop.
    """

    host: str
    why_not: str
    version: str = ""
    api: str = ""
    compose: str | None = None
    root: str = ""
    runtimes: tuple[str, ...] = ()
    cdi: tuple[str, ...] = ()
    gpu: Gpu | None = None
    groups: tuple[int, int] | None = None
    cgroup_driver: str = ""
    storage_driver: str = ""
    os: str = ""
    rootless: bool = False
    cpus: int = 0
    memory: int = 0

    @property
    def unusable(self) -> str:
        """Why a stack cannot be started with it, in a clause; "" where it can."""
        if self.why_not:
            return self.why_not
        if self.compose is None:
            return "Docker answers, but has no Compose plugin (`docker compose`)"
        if version(self.compose) < COMPOSE_LEAST:
            return (
                f"Docker Compose is {self.compose}, and {'.'.join(map(str, COMPOSE_LEAST))} is the oldest that will do"
            )
        return ""


def look() -> Daemon:
    """The daemon that the `docker` command talks to. Never raises: what is wrong is in the answer."""
    host = client.host()
    if shutil.which("docker") is None:
        return Daemon(host, "there is no `docker` command on this machine")
    try:
        with client.client() as connected:
            return _found(host, connected.info(), connected.version())
    except EngineNotUsable as error:
        return Daemon(host, f"no Docker daemon answers at {host} ({error.message.partition(': ')[2]})")
    except DeployError as error:  # it answered once, and then refused or hung
        return Daemon(host, error.message.rstrip("."))


def version(text: str) -> tuple[int, int]:
    """(2, 40) of "v2.40.3-desktop.1"; (0, 0) of what is no version."""
    major, _, rest = text.strip().lstrip("v").partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _found(host: str, info: dict[str, Any], told: dict[str, Any]) -> Daemon:
    runtimes = tuple(sorted(info.get("Runtimes") or {}))
    cdi = _cdi(info)
    groups = gpu.amd_groups()
    hook = shutil.which("nvidia-container-runtime-hook") is not None
    compose = client.output(["docker", "compose", "version", "--short"])
    return Daemon(
        host=host,
        why_not="",
        version=str(told.get("Version", "")),
        api=str(told.get("ApiVersion", "")),
        compose=compose.strip() if compose else None,
        root=str(info.get("DockerRootDir", "")),
        runtimes=runtimes,
        cdi=cdi,
        gpu=gpu.ability(runtimes, hook=hook, cdi=cdi, amd=groups is not None),
        groups=groups,
        cgroup_driver=str(info.get("CgroupDriver", "")),
        storage_driver=str(info.get("Driver", "")),
        os=str(info.get("OperatingSystem", "")),
        rootless=any("rootless" in option for option in info.get("SecurityOptions") or ()),
        cpus=int(info.get("NCPU", 0)),
        memory=int(info.get("MemTotal", 0)),
    )


def _cdi(info: dict[str, Any]) -> tuple[str, ...]:
    """Engine 28.3 lists the devices; from 25 on it names the folders in which their specifications are."""
    listed = tuple(str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or ())
    return listed or gpu.cdi_kinds([str(folder) for folder in info.get("CDISpecDirs") or ()])
