"""The extras in pyproject.toml that can be installed besides the bridge, and how to get one that is missing.

An extra is looked up before the first import that needs it. ImportErrors are not caught for this, so that errors in our
own code are not hidden.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Extra = Literal["embedded", "stack"]

_NEEDS: dict[Extra, str] = {"embedded": "The engine inside the bridge", "stack": "The command `embedstack`"}
_OF_EXTRA = re.compile(r"""([\w.-]+).*;.*\bextra == ["']([\w-]+)["']""")


@dataclass(frozen=True)
class Missing:
    """An extra, and those of its distributions that are not installed."""

    extra: Extra
    distributions: tuple[str, ...]

    @property
    def message(self) -> str:
        first, last = self.distributions[:-1], self.distributions[-1]
        names = f"{', '.join(first)} and {last}, which are" if first else f"{last}, which is"
        return f"{_NEEDS[self.extra]} needs {names} not installed."

    @property
    def advice(self) -> str:
        return f"Install the extra `{self.extra}`: `{_command(self.extra)}`."


def missing(extra: Extra) -> Missing | None:
    """What of an extra is missing in this environment; None if nothing is. Versions are left to pip."""
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


def _command(extra: Extra) -> str:
    """The command that installs it here. uv and pipx replace what they installed before, so they get all extras."""
    prefix = Path(sys.prefix)
    if uv_of_run(prefix, os.environ):
        return shlex.join(["uvx", "--from", "embedstack[all]", Path(sys.argv[0]).name, *sys.argv[1:]])
    if (prefix / "uv-receipt.toml").is_file():
        return "uv tool install 'embedstack[all]'"
    if (prefix / "pipx_metadata.json").is_file():
        return "pipx install --force 'embedstack[all]'"
    return f"pip install 'embedstack[{extra}]'"


def uv_of_run(prefix: Path, environ: Mapping[str, str]) -> str | None:
    """The uv whose `uvx` runs us; None if we are not run by uvx. It sets UV. Its environments are in its cache, two
    folders below the tag; those of `uv tool install` and `uv venv` are not.
    """
    return environ.get("UV") if (prefix.parent.parent / "CACHEDIR.TAG").is_file() else None


def uvx() -> str | None:
    """The command for `embedstack` under uvx, whose program is not on the PATH afterwards. None if not run by uvx."""
    if uv_of_run(Path(sys.prefix), os.environ) is None:
        return None
    wanted = _with_extras()
    return "uvx embedstack" if " @ " not in wanted else f"uvx --from {shlex.quote(wanted)} embedstack"


ASKED = "_EMBEDSTACK_WITH_EXTRAS"  # set for the program that replaces us, so that it does not replace itself again


def run_with_extras(
    arguments: Sequence[str], say: Callable[[str], object], execute: Callable[[str, list[str], dict[str, str]], object]
) -> None:
    """Under `uvx embedstack …`, become the same command with all extras. Otherwise do nothing and return.

    uvx installs for one run only, so this changes nobody's environment. `say` gets the command line. `execute` is
    os.execve.
    """
    uv = uv_of_run(Path(sys.prefix), os.environ)
    if uv is None or ASKED in os.environ:
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = ["tool", "run", "--python", version, "--from", _with_extras(), "embedstack", *arguments]
    say(f"$ uv {shlex.join(command)}")
    execute(uv, [uv, *command], {**os.environ, ASKED: "1"})


def _with_extras() -> str:
    """This distribution with its extras as a requirement: its version, or the file or commit that it came from."""
    ours = metadata.distribution("embedstack")
    text = ours.read_text("direct_url.json")
    if text is None:
        return f"embedstack[all]=={ours.version}"
    origin = json.loads(text)
    if commit := origin.get("vcs_info"):
        return f"embedstack[all] @ {commit['vcs']}+{origin['url']}@{commit['commit_id']}"
    return f"embedstack[all] @ {origin['url']}"
