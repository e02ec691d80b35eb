"""How processes of ours are started: a Python runs no code of the folder that one happens to be in, and a supervisor
hands on as many descriptors as it may have.
"""

import logging
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

OURS = Path(__file__).parents[2]
"""The folder that our package lies in: a checkout, or site-packages."""


def command(*arguments: str, program: str | Path = sys.executable) -> list[str]:
    """`program`, a Python 3.11 or newer, with `arguments`: without `-P` the working folder's modules come before the
    standard library's with `-m` and `-c`.
    """
    return [str(program), "-P", *arguments]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for such a process. PYTHONPATH, which counts in spite of `-P`, is left without the working folder:
    an empty part of it, as a colon too many makes one, means that folder.
    """
    kept = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
    path = os.pathsep.join(_elsewhere(environ.get("PYTHONPATH", "")))
    return {**kept, "PYTHONPATH": path} if path else kept


def _elsewhere(path: str) -> Iterator[str]:
    """The absolute parts that are not the working folder; the one that we were found in is kept in any form."""
    here = _working_folder()
    for part in path.split(os.pathsep):
        folder = (here / part).resolve() if here else Path(part)
        if folder == OURS.resolve():
            yield str(OURS)
        elif Path(part).is_absolute() and folder != here:
            yield part


def _working_folder() -> Path | None:
    """None where it has been removed."""
    try:
        return Path.cwd().resolve()
    except FileNotFoundError:
        return None


# Open WebUI opens a connection for each chunk of a document, all at once, and lets the limit be what it is: with 1,024,
# many systems' soft limit, a document of more chunks fails.
WANTED = 65_536

log = logging.getLogger(__name__)


def raise_limit() -> None:
    """Raise our soft limit to 65,536, or to the hard limit where that is lower; a higher one is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = raised(soft, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError) as error:  # macOS has a lower one of its own, whatever its hard limit says
        log.warning("the limit of open files stays %d: %s", soft, error)


def raised(soft: int, hard: int) -> int:
    """What the soft limit becomes. Pure."""
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    return soft if soft == resource.RLIM_INFINITY else max(soft, most)
