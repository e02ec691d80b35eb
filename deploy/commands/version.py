"""`embedstack version`."""

import platform
from dataclasses import dataclass

from embedstack import __version__


@dataclass(frozen=True)
class Version:
    """Versions of embedstack and of the Python that runs it."""

    version: str
    python: str

    def __rich__(self) -> str:
        return f"embedstack {self.version} (Python {self.python})"


def version() -> Version:
    return Version(__version__, platform.python_version())
