"""How the daemon can hand a GPU to a container. Pure but for the two looks at this machine's own devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embedstack.deploy.docker.compose import Gpu

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
