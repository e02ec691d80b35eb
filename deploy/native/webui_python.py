"""Which Python can run Open WebUI, and what makes its environment: uv where it is there, else venv and pip."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedstack.deploy.errors import Blocked
from embedstack.deploy.settings import WebuiSettings
from embedstack.host import processes

FITS = ((3, 11), (3, 12))  # open-webui 0.12's requires_python: >=3.11,<3.13.0a1
FETCHED = "3.12"
PROBE = "import sys; print(*sys.version_info[:2])"
PROBE_TIMEOUT = 20.0  # seconds


def uv() -> Path | None:
    """The uv beside our own Python, else the one on PATH."""
    own = Path(sys.executable).with_name("uv")
    found = str(own) if own.exists() else shutil.which("uv")
    return Path(found) if found else None


def choose(settings: WebuiSettings, fetcher: Path | None) -> str:
    """A Python that fits: a path, or a version for uv (`fetcher`) to find or to fetch. Blocked where there is none."""
    if settings.python is not None:
        if _version(settings.python) not in FITS:
            raise Blocked(
                f"webui.python is {settings.python}, which is not a Python 3.11 or 3.12 that runs.",
                "Name one that does: `embedstack config set webui.python /path/to/python3.12`.",
            )
        return str(settings.python)
    found = next((str(path) for path in _candidates() if _version(path) in FITS), None)
    if found or fetcher:
        return found or FETCHED
    raise Blocked(
        f"Open WebUI needs Python 3.11 or 3.12; this is {sys.version_info.major}.{sys.version_info.minor}, "
        "and neither python3.12 nor python3.11 on PATH runs.",
        "Install one of them, or uv, which fetches one (`pip install uv`); or go on without Open WebUI: --no-webui.",
    )


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    for name in ("python3.12", "python3.11"):
        if found := shutil.which(name):
            yield Path(found)


def _version(python: Path) -> tuple[int, ...] | None:
    """Asked of the program itself: pyenv's shims are on PATH also where what they stand for is not there."""
    try:
        argv = processes.command("-c", PROBE, program=python)
        said = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=PROBE_TIMEOUT)
        return tuple(_numbers(said.stdout.split())) if said.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def _numbers(words: Iterable[str]) -> Iterator[int]:
    return (int(word) for word in words if word.isdigit())
