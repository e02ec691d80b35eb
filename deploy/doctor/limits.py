"""How many files and connections a process may have open. Pure but for `look`."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass

from embedstack.deploy.doctor.finding import Finding

LEAST = 4096  # Open WebUI opens one connection a text, thousands for one document


@dataclass(frozen=True)
class Descriptors:
    """The bridge raises its own soft limit up to the hard one."""

    soft: int
    hard: int


def look() -> Descriptors:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Descriptors(_number(soft), _number(hard))


def check(limits: Descriptors) -> Iterator[Finding]:
    if limits.hard < LEAST:
        yield Finding(
            "DESCRIPTORS-LOW",
            "warning",
            "Few files may be open at once",
            f"The hard limit is {limits.hard} (soft {limits.soft}); {LEAST} is what a large document wants.",
            "Open WebUI opens a connection for each text of a document; those above the limit are refused, and it "
            "never tries again.",
            "Raise `nofile` in /etc/security/limits.conf and sign in anew (systemd: LimitNOFILE=65536).",
        )


def _number(limit: int) -> int:
    return 2**31 if limit == resource.RLIM_INFINITY else limit
