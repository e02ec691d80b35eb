"""Where a stack keeps what: one folder a stack, which only its user may read. Pure but for `create` and `remove`."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from embedstack.deploy.errors import FolderNotUsable

HOME_VARIABLE = "EMBEDSTACK_HOME"


@dataclass(frozen=True)
class Places:
    """The folder of one stack. What lies in `run` can be thrown away while the stack is down; `data` is the user's."""

    root: Path

    @property
    def secrets(self) -> Path:
        """Generated once, 0600."""
        return self.root / "secrets.yaml"

    @property
    def plan(self) -> Path:
        """What `up` last started, as JSON, 0600."""
        return self.root / "plan.json"

    @property
    def flags(self) -> Path:
        """The flags that `up` was given, as JSON, 0600."""
        return self.root / "flags.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """The supervisor's, 0600."""
        return self.run / "supervisor.sock"

    @property
    def going(self) -> Path:
        """What an `up` that goes on is at, as JSON."""
        return self.run / "up.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """Open WebUI's database and uploads, the bridges' caches (native; containers have volumes)."""
        return self.root / "data"

    def create(self) -> "Places":
        """Make the folders, 0700. OSError where this user may not."""
        for folder in (self.root, self.run, self.logs, self.data):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def remove(self) -> None:
        """Take the stack's folder away, with all that is in it. FolderNotUsable where some of it would not go."""
        shutil.rmtree(self.root, ignore_errors=True)  # as much as may be
        try:
            if self.root.exists():
                shutil.rmtree(self.root)
        except OSError as error:
            raise FolderNotUsable(
                f"{self.root} could not be taken away: {error.strerror or error}.",
                "The stack is stopped. Take away by hand what is left of the folder.",
            ) from error


def home() -> Path:
    """Where all stacks live: EMBEDSTACK_HOME, else the user's data folder."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else Path(platformdirs.user_data_dir("embedstack"))


def places(stack: str) -> Places:
    return Places(home() / "stacks" / stack)
