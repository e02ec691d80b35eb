"""What `doctor` finds. Every id is reported at length in docs/troubleshooting.md, and never changes its meaning.

Bytes as a person reads them. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from embedstack.words import sentence

Severity = Literal["blocker", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocker", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        severity: a blocker keeps the stack from working; a warning costs something; a note is good to know.
        evidence: what was seen, with the values.
        impact: what comes of it.
        next_step: what to do, as a command or a setting where there is one.
    """

    id: str
    severity: Severity
    title: str
    evidence: str
    impact: str
    next_step: str

    def __post_init__(self) -> None:
        for name in ("evidence", "impact", "next_step"):
            object.__setattr__(self, name, sentence(getattr(self, name)))


def blockers(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity == "blocker")


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity, and in the order of the checks within one; the same finding only once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: SEVERITIES.index(finding.severity)))


def size(number: int) -> str:
    """Decimal, as disks are sold: `2.50 GB`, `48.7 MB`."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def gib(number: int) -> str:
    """Binary, as memory is usually given: `5.4 GiB`."""
    return f"{number / 2**30:.1f} GiB"
