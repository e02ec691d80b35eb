"""How many files and connections the parts of a stack may have open: what their supervisor may, which they inherit."""

import logging
import resource

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
