"""What the Docker daemon is and can do, for the choice of a mode and for `doctor`.

How the daemon can hand a GPU to a container. Pure but for the two looks at this machine's own devices.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedstack.deploy.docker import cli
from embedstack.deploy.docker.compose import Gpu
from embedstack.deploy.errors import DeployError, EngineNotUsable

NVIDIA_CDI = "nvidia.com/gpu"


def ability(runtimes: Sequence[str], *, hook: bool, cdi: Sequence[str], amd: bool) -> Gpu | None:
    """`runtimes` and `cdi` (device names) are the daemon's; `hook`: NVIDIA's toolkit is where the daemon looks for it.

    The toolkit first: CDI asks for an engine that has it switched on, which Docker has by default from 28 only.
    """
    if "nvidia" in runtimes or hook:
        return "nvidia"
    if any(device.startswith(NVIDIA_CDI) for device in cdi):
        return "cdi"
    return "rocm" if amd else None


def cdi_kinds(folders: Sequence[str]) -> tuple[str, ...]:
    """Kinds of devices that the specifications in `folders` (JSON or YAML) define, as nvidia.com/gpu."""
    found = []
    for path in sorted(path for folder in folders for path in Path(folder).glob("*") if path.is_file()):
        try:
            # A specification is some hundred kilobytes; its kind is one line, and alike in both notations.
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        kinds = [line.partition(":")[2].strip(" \",'") for line in lines if line.strip(" \"'").startswith("kind")]
        found += [kind for kind in kinds if "/" in kind]
    return tuple(dict.fromkeys(found))


def amd_groups(devices: Path = Path("/dev")) -> tuple[int, int] | None:
    """Numbers of the groups that own an AMD GPU's devices, (video, render); None where there is no such GPU."""
    kernel = devices / "kfd"
    cards = sorted(devices.glob("dri/card*"))
    nodes = sorted(devices.glob("dri/renderD*"))
    if not kernel.exists() or not nodes:
        return None
    video = (cards or nodes)[0].stat().st_gid
    return video, nodes[0].stat().st_gid


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
    host = cli.host()
    if shutil.which("docker") is None:
        return Daemon(host, "there is no `docker` command on this machine")
    try:
        with cli.client() as connected:
            return _found(host, connected.info(), connected.version())
    except EngineNotUsable as error:
        return Daemon(host, f"no Docker daemon answers at {host} ({error.message.partition(': ')[2]})")
    except DeployError as error:  # it answered once, and then refused or hung
        return Daemon(host, error.message.rstrip("."))


def version(text: str) -> tuple[int, int]:
    """(2, 40) of "v2.40.3-desktop.1"; (0, 0) of what is not a version."""
    major, _, rest = text.strip().lstrip("v").partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _found(host: str, info: dict[str, Any], record: dict[str, Any]) -> Daemon:
    runtimes = tuple(sorted(info.get("Runtimes") or {}))
    cdi = _cdi(info)
    groups = amd_groups()
    hook = shutil.which("nvidia-container-runtime-hook") is not None
    compose = cli.output(["docker", "compose", "version", "--short"])
    return Daemon(
        host=host,
        why_not="",
        version=str(record.get("Version", "")),
        api=str(record.get("ApiVersion", "")),
        compose=compose.strip() if compose else None,
        root=str(info.get("DockerRootDir", "")),
        runtimes=runtimes,
        cdi=cdi,
        gpu=ability(runtimes, hook=hook, cdi=cdi, amd=groups is not None),
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
    return listed or cdi_kinds([str(folder) for folder in info.get("CDISpecDirs") or ()])
