"""What is in the way is told before anything is fetched or started."""

from __future__ import annotations

from collections.abc import Callable

from deploy.doctor import machine, preflight
from deploy.doctor.intent import Intent
from deploy.places import Places
from deploy.plan import Plan
from deploy.stack.planning import Looked


def check(plan: Plan, looked: Looked, where: Places, say: Callable[[str], None]) -> None:
    """Blocked, with every blocker and what to do about it; warnings are said."""
    seen = machine.look(plan, where, looked.gpus, looked.daemon, looked.before.parts)
    for finding in preflight.ensure(Intent(plan), seen):
        if finding.severity == "warning":
            say(f"{finding.title} [{finding.id}]: {finding.evidence} {finding.next_step}")
