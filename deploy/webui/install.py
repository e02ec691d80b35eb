"""Open WebUI in a Python environment of its own: its pins (every requirement, exactly) would fight with ours.

Made once for each version. The stamp is written last: without it the environment is made again, so an interrupted
installation is never used. Folders are not renamed into place, because scripts of a venv name their own path; one that
somebody has moved works all the same, since nothing is started by those scripts' first line.

What Open WebUI's environment needs besides for a vector store: at the versions that Open WebUI itself pins.

Which Python can run Open WebUI, and what makes its environment: uv where it is there, else venv and pip.
"""

import fcntl
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from embedstack.deploy.console import Report, Transfer
from embedstack.deploy.errors import Blocked, CommandFailed, FolderNotUsable, NotEnoughSpace
from embedstack.deploy.native import written
from embedstack.deploy.plan.stores import PACKAGES
from embedstack.deploy.settings import Store, WebuiSettings
from embedstack.host import files, processes


def packages(folder: Path, store: Store) -> tuple[str, ...]:
    """Requirements for pip, as `pgvector==0.4.2`; `folder` is the environment."""
    found = sorted(folder.glob("lib/python3*/site-packages/open_webui-*.dist-info/METADATA"))
    text = found[0].read_text(encoding="utf-8", errors="replace") if found else ""
    return pinned(text, PACKAGES[store])


def pinned(metadata: str, names: Sequence[str]) -> tuple[str, ...]:
    """Each name with the version that its extra `all` has; the name alone where it has none. Pure."""
    pins = dict(re.findall(r"^Requires-Dist: ([\w.-]+)==([\w.]+);", metadata, re.MULTILINE))
    return tuple(f"{name}=={pins[name]}" if name in pins else name for name in names)


def command(python: Path, uv: Path | None, version: str, wanted: Sequence[str]) -> list[str]:
    """What adds them. Open WebUI is named too, so that none of its own pins gives way."""
    named = (f"open-webui=={version}", *wanted)
    if uv is not None:
        return [str(uv), "pip", "install", "--python", str(python), *named]
    return processes.command("-m", "pip", "install", "--progress-bar", "off", *named, program=python)


FITS = ((3, 11), (3, 12))  # open-webui 0.12's requires_python: >=3.11,<3.13.0a1
FETCHED = "3.12"
PROBE = "import sys; print(*sys.version_info[:2])"
PROBE_TIMEOUT = 20.0  # seconds
READABLE = 0o644  # others may use an environment that lies in a folder of all


def find_uv() -> Path | None:
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


STAMP = ".complete.json"
LAST_LINES = 15
# Measured for 0.12.4: torch from PyPI brings CUDA along on Linux; a CPU torch (uv's UV_TORCH_BACKEND=cpu) does not.
WITH_CUDA, WITHOUT_CUDA = 7_000_000_000, 2_900_000_000
# What a person wants to see of the hundreds of lines that uv and pip write.
PRINTED = ("Using", "Resolved", "Downloading", "Prepared", "Installing", "Installed", "Successfully")

Announce = Callable[[str], None]


@dataclass(frozen=True)
class WebuiEnvironment:
    """An environment with Open WebUI, or the place for one."""

    folder: Path
    version: str
    store: Store = "chroma"

    @property
    def program(self) -> Path:
        return self.folder / "bin" / "open-webui"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether Open WebUI is in it, and the Python that it was made from is still there."""
        return (self.folder / STAMP).is_file() and self.program.exists() and self.python.exists()

    @property
    def complete(self) -> bool:
        """Whether it was finished, what its vector store needs included."""
        return self.installed and (not PACKAGES[self.store] or self.store_stamp.is_file())

    @property
    def store_stamp(self) -> Path:
        return self.folder / f".{self.store}.complete"


def environment(settings: WebuiSettings) -> WebuiEnvironment:
    """Where this version's environment is, or will be: under EMBEDSTACK_CACHE, else the user's cache directory."""
    root = os.environ.get("EMBEDSTACK_CACHE") or platformdirs.user_cache_dir("embedstack")
    return WebuiEnvironment(Path(root) / "open-webui" / settings.version, settings.version, settings.vector_store)


def all_folders() -> Path:
    """Where the environments of all versions are."""
    return environment(WebuiSettings()).folder.parent


def needed_bytes() -> int:
    """What the environment takes on the disk."""
    cpu = os.environ.get("UV_TORCH_BACKEND") == "cpu" or sys.platform == "darwin"
    return WITHOUT_CUDA if cpu else WITH_CUDA


def ensure_possible(settings: WebuiSettings) -> None:
    """Blocked where it is yet to be made, and there is no Python for it."""
    if not environment(settings).installed:
        choose(settings, find_uv())


def ensure(settings: WebuiSettings, report: Report) -> WebuiEnvironment:
    """The environment, complete; made where it is not, which takes a minute or several and is shown. One that is there
    gets what another vector store needs.

    Blocked without a Python for it, NotEnoughSpace, FolderNotUsable, CommandFailed with the installer's last lines.
    """
    wanted = environment(settings)
    if wanted.complete:
        return wanted
    with _usable(wanted.folder.parent), _locked(wanted, report.say):
        if not wanted.installed:  # another `up` may have made it while we waited
            _ensure_space(wanted)
            _make(wanted, settings, report)
        if wanted.installed and not wanted.complete:
            _extend(wanted, report)
    return wanted


def _make(wanted: WebuiEnvironment, settings: WebuiSettings, report: Report) -> None:
    uv = find_uv()
    python = choose(settings, uv)
    report.say(
        f"Open WebUI {wanted.version} is installed from PyPI, once: "
        f"about {needed_bytes() / 1e9:.1f} GB in {wanted.folder}."
    )
    shutil.rmtree(wanted.folder, ignore_errors=True)
    for argv in commands(wanted, python, uv):
        report.command(argv)
        with report.transfer(f"Open WebUI {wanted.version}", needed_bytes()) as transfer:
            _run(argv, lambda line: report.say(f"[dim]{line}[/]"), transfer)
    _stamp(wanted, python)


def _extend(wanted: WebuiEnvironment, report: Report) -> None:
    needed = packages(wanted.folder, wanted.store)
    report.say(f"Open WebUI's environment gets what {wanted.store} needs, once: {', '.join(needed)}.")
    argv = command(wanted.python, find_uv(), wanted.version, needed)
    report.command(argv)
    with report.transfer(f"Open WebUI {wanted.version} for {wanted.store}") as transfer:
        _run(argv, lambda line: report.say(f"[dim]{line}[/]"), transfer)
    wanted.store_stamp.touch()


def commands(wanted: WebuiEnvironment, python: str, uv: Path | None) -> tuple[list[str], ...]:
    """What makes the environment, in order."""
    package = f"open-webui=={wanted.version}"
    folder, inside = str(wanted.folder), str(wanted.python)
    if uv is not None:
        return (
            [str(uv), "venv", "--no-project", "--python", python, folder],
            [str(uv), "pip", "install", "--python", inside, package],
        )
    pip = processes.command("-m", "pip", "install", "--progress-bar", "off", package, program=inside)
    return processes.command("-m", "venv", folder, program=python), pip


def trusting(environ: Mapping[str, str]) -> dict[str, str]:
    """With the system's certificates, where it has some: uv has a list of its own, in which no company's proxy is.

    uv has renamed the variable. One that is set already counts.
    """
    known = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS") if ssl.get_default_verify_paths().cafile else ()
    return {**dict.fromkeys(known, "true"), **environ}


def _run(argv: Sequence[str], tell: Announce, transfer: Transfer) -> None:
    """Run one command, telling what matters of what it says, and how much it has written to the disk. CommandFailed
    with its last lines.
    """
    lines: list[str] = []
    with (
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=processes.environment(trusting(os.environ)),
        ) as process,
        written.watched(process.pid, transfer.at),
    ):
        assert process.stdout is not None  # noqa: S101 -- asked for above
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.split(maxsplit=1)[:1] and line.split(maxsplit=1)[0] in PRINTED:
                tell(line.strip().replace("[", r"\["))
    if process.returncode:
        end = "\n".join(lines[-LAST_LINES:])
        raise CommandFailed(
            f"`{' '.join(argv)}` ended with {process.returncode}:\n{end}",
            "Repair what it names and run `embedstack up` again, which goes on; or without Open WebUI: --no-webui.",
        )


def _stamp(wanted: WebuiEnvironment, python: str) -> None:
    stamp = json.dumps({"version": wanted.version, "python": python}) + "\n"
    files.write(wanted.folder / STAMP, stamp.encode(), READABLE)


def _ensure_space(wanted: WebuiEnvironment) -> None:
    free = shutil.disk_usage(wanted.folder.parent).free
    if free < needed_bytes():
        raise NotEnoughSpace(
            f"Open WebUI takes {needed_bytes() / 1e9:.1f} GB in {wanted.folder.parent}, where {free / 1e9:.1f} GB "
            "are free.",
            "Free some, set EMBEDSTACK_CACHE to a folder with more room, or go on without Open WebUI: --no-webui.",
        )


@contextmanager
def _locked(wanted: WebuiEnvironment, tell: Announce) -> Iterator[None]:
    with (wanted.folder.parent / f".{wanted.version}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"Open WebUI {wanted.version} is being installed by another command; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise FolderNotUsable(
            f"Open WebUI could not be installed in {folder}: {error.strerror}.",
            "Set EMBEDSTACK_CACHE to a folder that you may write to.",
        ) from error
