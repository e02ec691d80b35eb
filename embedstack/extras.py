"""What is installed on top of the bridge: the extras that pyproject.toml names, and how to get one that is missing.

Looked up before the first import that needs it. No ImportError is caught for it: one of our own code stays one.
"""

import re
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

Extra = Literal["embedded", "stack"]

_NEEDS: dict[Extra, str] = {"embedded": "The engine inside the bridge", "stack": "The command `embedstack`"}
_OF_EXTRA = re.compile(r"""([\w.-]+).*;.*\bextra == ["']([\w-]+)["']""")


@dataclass(frozen=True)
class Missing:
    """An extra of which these distributions are not installed."""

    extra: Extra
    distributions: tuple[str, ...]

    @property
    def message(self) -> str:
        first, last = self.distributions[:-1], self.distributions[-1]
        names = f"{', '.join(first)} and {last}, which are" if first else f"{last}, which is"
        return f"{_NEEDS[self.extra]} needs {names} not installed."

    @property
    def advice(self) -> str:
        return f"Install the extra `{self.extra}`: `pip install 'embedstack[{self.extra}]'`."


def missing(extra: Extra) -> Missing | None:
    """What of an extra is not installed beside this code, None where nothing is; versions are left to pip."""
    lacking = tuple(name for name in _distributions(extra) if not _installed(name))
    return Missing(extra, lacking) if lacking else None


def _distributions(extra: Extra) -> list[str]:
    found = map(_OF_EXTRA.match, metadata.requires("embedstack") or ())
    return [one[1] for one in found if one and one[2] == extra]


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
