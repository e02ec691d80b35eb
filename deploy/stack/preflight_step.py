"""What is in the way is told before anything is fetched or started."""

from __future__ import annotations

from collections.abc import Callable

from embedstack.deploy.doctor import preflight
from embedstack.deploy.doctor import seen as machine
from embedstack.deploy.doctor.intent import Intent
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.stack.planning import Looked


def check(plan: Plan, looked: Looked, where: Places, say: Callable[[str], None]) -> None:
    """Blocked, with every blocker and what to do about it; warnings are said."""
    seen = machine.look(plan, where, looked.gpus, looked.daemon, looked.before.parts)
    for finding in preflight.ensure(Intent(plan), seen):
        if finding.severity == "warning":
            say(f"{finding.title} [{finding.id}]: {finding.evidence} {finding.next_step}")
