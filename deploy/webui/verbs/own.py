"""The Open WebUI of a stack that runs, with all that is to be known of it.

The environment in which a stack's Open WebUI runs: of its process, or of its container.

What of Open WebUI's settings only its environment carries: set by starting it again, where it differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embedstack.deploy import record
from embedstack.deploy import secrets as stack_secrets
from embedstack.deploy.console import Report
from embedstack.deploy.errors import NotRunning, PartNotReady, WebuiRefused
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places, places
from embedstack.deploy.plan import stores
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.record import Record
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.found import look_before, site
from embedstack.deploy.sites.site import Runner
from embedstack.deploy.stack import planning
from embedstack.deploy.stack.planning import Looked
from embedstack.deploy.state import PartState
from embedstack.deploy.webui.client import WRONG_PASSWORD, Webui
from embedstack.deploy.webui.settings import put as wanted
from embedstack.deploy.webui.settings import shown


@dataclass(frozen=True)
class Own:
    """`plan` is what the settings ask for now, `record` what `up` last made."""

    plan: Plan
    record: Record
    places: Places
    secrets: Secrets
    looked: Looked
    running: PartState

    @property
    def bridge_url(self) -> str:
        """As Open WebUI reaches it."""
        return site(self.plan.mode).bridge_url(self.plan)

    @property
    def key(self) -> str:
        """For that bridge; "" where it asks for none."""
        return self.secrets.bridge_key if self.plan.keyed else ""

    @property
    def must(self) -> dict[str, object]:
        return wanted.embedding(self.plan, self.bridge_url, self.key)

    def runner(self, report: Report) -> Runner:
        gpu = self.looked.gpus.roomiest is not None
        place = site(self.plan.mode)
        return place.runner(self.plan, self.secrets, self.places, report, daemon=self.looked.daemon, gpu=gpu)


def find(settings: Settings, report: Report) -> Own:
    """NotRunning where there is no such stack, or none of its parts is an Open WebUI that runs; else as `up` raises."""
    where = places(settings.stack.name)
    known = record.read(where)
    running = part(look_before(where, report).parts)
    looked = planning.look(settings, where, report)
    plan = planning.make(settings, looked, report.warn)
    return Own(plan, known, where, stack_secrets.read(where, report.warn), looked, running)


def other_model(own: Own) -> tuple[str, str] | None:
    """Where the settings ask for another model than the stack runs, which its bridge would not know: that it is so, and
    what to do about it.
    """
    wanted, runs = own.plan.served, own.record
    if (wanted.name, wanted.precision) == (runs.model, runs.precision):
        return None
    return (
        f"The settings ask for {wanted.name} at {wanted.precision}; the stack runs {runs.model} at {runs.precision}.",
        "`embedstack up` changes it, and Open WebUI's settings with it.",
    )


def part(states: tuple[PartState, ...]) -> PartState:
    """Open WebUI among a stack's parts; NotRunning where it is not there, or not well."""
    found = next((state for state in states if state.name == parts.WEBUI), None)
    if found is None or found.state != "running":
        how = "no part of the stack" if found is None else found.state
        why = f": {found.reason}" if found and found.reason else ""
        raise NotRunning(f"Open WebUI is {how}{why}.", "`embedstack up --webui` starts it.")
    return found


def signed_in(own: Own, webui: Webui) -> None:
    """As the first administrator; WebuiRefused, also where that account has another password now."""
    email = own.plan.settings.webui.admin_email
    try:
        webui.sign_in(email, own.secrets.webui_admin_password)
    except WebuiRefused as error:
        if error.status not in WRONG_PASSWORD:
            raise
        raise WebuiRefused(
            f"{email} has another password in Open WebUI than in `embedstack config secrets`, or no account: "
            f"{error.message}",
            "`embedstack webui password` gives it a new one; or --url with a token of an administrator in "
            "EMBEDSTACK_WEBUI_TOKEN.",
        ) from error


SEEN = (
    *stores.ENVIRONMENT,
    *("RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL", "RAG_OLLAMA_BASE_URL", "RAG_OLLAMA_API_KEY"),
    *("RAG_EMBEDDING_BATCH_SIZE", "ENABLE_ASYNC_EMBEDDING", "RAG_EMBEDDING_CONCURRENT_REQUESTS"),
    shown.PERSISTENT,
)
"""What of it is looked at: the rest is nobody's business here."""


def variables_seen(own: Own, running: PartState) -> Mapping[str, str] | None:
    """What it was started with, as far as it is SEEN; None where the system does not show it."""
    whole = site(own.plan.mode).webui_variables(own.record.stack, running)
    return None if whole is None else {name: value for name, value in whole.items() if name in SEEN}


def ensure_role(own: Own, report: Report) -> bool:
    """Whether it had to be restarted. PartNotReady where it still does not send the role then."""
    if _sent(own, own.running):
        return False
    report.warn(f"Open WebUI runs without {', '.join(stores.ENVIRONMENT)} as they should be: it is restarted")
    runner = own.runner(report)
    with report.step("Open WebUI"):
        # Where what runs was started by the same plan, and yet without them, the runner sees nothing to do.
        if not runner.start([parts.WEBUI]):
            runner.restart([parts.WEBUI])
    if not _sent(own, part(runner.states())):
        raise PartNotReady(
            "Open WebUI was restarted, and still runs without the settings by which it sends a text's role.",
            "`embedstack down`, then `embedstack up`. Documents and accounts stay.",
        )
    return True


def _sent(own: Own, running: PartState) -> bool:
    """True too where the system does not show its environment: then it is as the stack has started it."""
    environ = variables_seen(own, running)
    return environ is None or stores.sent(environ)
