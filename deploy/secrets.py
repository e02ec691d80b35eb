"""A stack's secrets: made once, kept in a file that only its user may read, shown by `config secrets` alone."""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets as random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

from embedstack.deploy.errors import FileDamaged, FolderNotUsable, InvalidSettings, NotRunning
from embedstack.deploy.places import Places
from embedstack.host import files
from embedstack.readers import content, yaml_file
from embedstack.readers.content import Damaged, DamagedFile

_HEAD = "# Made once for this stack, and in no other file. `embedstack config secrets` shows them.\n"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, repr=False)
class Secrets:
    """What nobody else may know. Its `repr` shows no value.

    Attributes:
        webui_secret_key: signs Open WebUI's sessions; another one signs everybody out.
        webui_admin_password: of Open WebUI's first administrator, as it was before anybody changed it there.
        bridge_key: for clients of the bridge, where other machines can reach it.
        bridge_admin_key: for what only the bridge's administrator may: its trace, its cache, the index it expects.
    """

    webui_secret_key: str
    webui_admin_password: str
    bridge_key: str
    bridge_admin_key: str

    def __repr__(self) -> str:
        return f"Secrets({', '.join(field.name for field in fields(self))}: not shown)"

    def matches(self, name: str, given: str) -> bool:
        """Whether `given` is the secret of that name; takes as long for a wrong one as for the right one."""
        return hmac.compare_digest(str(getattr(self, name)).encode(), given.encode())


def ensure(places: Places, say: Callable[[str], None]) -> Secrets:
    """The stack's secrets, made now where there are none yet; what had to be put right is said.

    FileDamaged for a file that is no longer one of secrets, InvalidSettings for one of somebody else's, FolderNotUsable
    where it cannot be read or written.
    """
    with _usable(places):
        places.create()
        places.root.chmod(0o700)  # it may have been there before, with other permissions
        with _alone(places.root / "secrets.lock"):
            known = _read(places.secrets, say)
            made = {field.name: known.get(field.name) or _make() for field in fields(Secrets)}
            if made != known:
                _write(places.secrets, {**known, **made})
    return Secrets(**made)


def read(places: Places, say: Callable[[str], None]) -> Secrets:
    """The stack's secrets, made nothing; NotRunning where there are none. Raises as `ensure` does besides."""
    with _usable(places):
        if not places.secrets.exists():
            raise NotRunning(
                f"The stack {places.root.name!r} has no secrets on this machine.", "`embedstack up` makes them."
            )
    return ensure(places, say)


def change(places: Places, name: str, value: str, say: Callable[[str], None]) -> None:
    """Put another secret in the place of one. Raises as `ensure` does."""
    ensure(places, say)
    with _usable(places), _alone(places.root / "secrets.lock"):
        _write(places.secrets, {**_read(places.secrets, say), name: value})


def _make() -> str:
    return random.token_urlsafe(24)  # 192 bits, and nothing that a shell, a URL or YAML would change


def _read(path: Path, say: Callable[[str], None]) -> dict[str, str]:
    """The file's secrets by name, its permissions tightened; {} where it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise InvalidSettings(f"{path} belongs to another user (id {status.st_uid}).", _advice(path))
        if status.st_mode & _OTHERS:
            os.fchmod(descriptor, 0o600)
            say(f"{path} could be read by others ({stat.S_IMODE(status.st_mode):04o}); now it is 0600")
        return _checked(path, content.read_open(descriptor, path))
    except DamagedFile as error:
        raise _damaged(error) from None
    finally:
        os.close(descriptor)


def _write(path: Path, known: dict[str, str]) -> None:
    files.write(path, (_HEAD + yaml.safe_dump(known, sort_keys=False)).encode())


def _checked(path: Path, data: bytes) -> dict[str, str]:
    try:
        document = yaml_file.parse(content.as_text(data))
    except Damaged as error:
        raise _damaged(DamagedFile(path, error.problem, error.place)) from None
    known = {field.name for field in fields(Secrets)}
    good = isinstance(document, dict) and set(document) <= known
    # A variable of a process and a header of HTTP are to hold them.
    if not good or not all(isinstance(value, str) and value and value.isprintable() for value in document.values()):
        raise _damaged(DamagedFile(path, ""))
    return dict(document)


def _damaged(error: DamagedFile) -> FileDamaged:
    """The place alone: what is wrong there may be a secret."""
    wanted = ", ".join(field.name for field in fields(Secrets))
    place = f" (line {error.place.line}, column {error.place.column})" if error.place else ""
    return FileDamaged(
        f"{error.path} is not a file of secrets{place}: it should have {wanted}, each one line of text. "
        "What it holds is not shown.",
        _advice(error.path),
    )


def _advice(path: Path) -> str:
    return f"Put it right, or move {path} away: `embedstack up` then makes new secrets, and signs everybody out."


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time: two that start together must not each make secrets of their own."""
    with os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _usable(places: Places) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderNotUsable(
            f"The stack's secrets in {places.root} cannot be used: {error.strerror}: {error.filename}.",
            "Make the folder yours, or name another in EMBEDSTACK_HOME.",
        ) from error


def shown(secrets: Secrets) -> dict[str, str]:
    """Every secret by name, for `config secrets` and nothing else."""
    return asdict(secrets)
