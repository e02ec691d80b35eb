"""What `up` asks before it fetches or starts anything."""

from collections.abc import Sequence

from embedstack.deploy.doctor.examine import examine
from embedstack.deploy.doctor.finding import Finding, blockers
from embedstack.deploy.doctor.intent import Intent
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.errors import Blocked


def ensure(intent: Intent, machine: Machine) -> tuple[Finding, ...]:
    """Warnings and notes; Blocked, with what to do about each, where anything is in the way."""
    found = examine(intent, machine, before_up=True).findings
    if stopping := blockers(found):
        raise refusal(stopping)
    return found


def refusal(stopping: Sequence[Finding]) -> Blocked:
    """All blockers in one message, so that they can be put right at one go."""
    count = "1 thing is" if len(stopping) == 1 else f"{len(stopping)} things are"
    told = [f"{finding.title} [{finding.id}]: {finding.evidence}" for finding in stopping]
    # One command may put several right, as that with a free port for each part.
    steps = dict.fromkeys(f"{finding.id}: {finding.next_step}" for finding in stopping)
    return Blocked("\n  ".join([f"{count} in the way.", *told]), "\n".join(steps))
