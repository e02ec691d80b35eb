"""Open WebUI once it runs: set as it should be, its list of chat models without ours, and closed to strangers."""

from __future__ import annotations

from embedstack.deploy import secrets as stack_secrets
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.console import Report
from embedstack.deploy.errors import Blocked, PartNotReady, WebuiRefused
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.sites.found import Before, site
from embedstack.deploy.stack.steps import Doing
from embedstack.deploy.webui import at_rest, library
from embedstack.deploy.webui import version as versions
from embedstack.deploy.webui.client import WRONG_PASSWORD, Webui
from embedstack.deploy.webui.index import guard, guarded
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index import reindex as reindexing
from embedstack.deploy.webui.index.guard import Judgement
from embedstack.deploy.webui.index.guarded import GuardedIndex
from embedstack.deploy.webui.settings import put
from embedstack.words import joined

REMEDY = "embedstack up --reindex"


def index(plan: Plan, secrets: Secrets, places: Places) -> GuardedIndex:
    store = plan.settings.webui.vector_store
    return GuardedIndex(index_record.of_stack(places), plan.bridge_url, secrets.bridge_admin_key, store)


def settle(
    plan: Plan,
    secrets: Secrets,
    places: Places,
    report: Report,
    doing: Doing,
    *,
    reindex: bool = False,
) -> None:
    """Put its settings right, and embed everything again where that is wanted and needed.

    IndexWouldBreak where it is needed and not wanted, ReindexFailed where it did not do for all of it, WebuiRefused
    where it is wanted and nobody can sign in.
    """
    with Webui(plan.webui_url) as webui:
        _say_version(webui, plan, report)
        if not _signed_in(webui, plan, secrets, report, needed=reindex):
            return
        must = put.embedding(plan, site(plan.mode).bridge_url(plan), secrets.bridge_key if plan.keyed else "")
        done = guarded.settle(webui, must, index(plan, secrets, places), report, remedy=REMEDY, reindex=reindex)
        if done.changed:
            doing.did(f"{len(done.changed)} settings put right")
        _hide(webui, plan)
        if done.reindexed is not None:
            _report(done.reindexed, report, doing)


def foresee(plan: Plan, places: Places, before: Before) -> None:
    """IndexWouldBreak where that is plain before anything is started or changed: Open WebUI has an index that was made
    with another model, precision or size than is planned. What is in it is asked of Open WebUI, or read from its
    database while it does not run (native).
    """
    path, served = index_record.of_stack(places), plan.served
    record = index_record.read(path)
    if record is None:
        return
    changes = guard.planned(
        record.facts, model=served.model.id, precision=served.precision, dimensions=plan.dimensions
    ) + guard.moves(record, plan.settings.webui.vector_store)
    if not changes:
        return
    judged = Judgement("breaks", changes)
    if any(part.name == parts.WEBUI and part.state == "running" for part in before.parts):
        _foresee_running(plan, places, judged)
    elif indexed := at_rest.indexed(parts.webui_data(places)):
        raise guard.refusal(judged, indexed, None, REMEDY)


def _foresee_running(plan: Plan, places: Places, judged: Judgement) -> None:
    secrets = stack_secrets.read(places, lambda _: None)
    with Webui(plan.webui_url) as webui:
        try:
            webui.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
            known = library.look(webui)
        except PartNotReady:
            return  # it is looked at again when its settings are
        if indexed := guard.indexed(known):
            cost = index(plan, secrets, places).cost(webui, known, plan.served.name)
            raise guard.refusal(judged, indexed, cost, REMEDY)


def forget(plan: Plan, secrets: Secrets, places: Places) -> None:
    """Without Open WebUI nobody's index is at stake: the bridge answers everybody again. Its record stays."""
    at = index(plan, secrets, places)
    if index_record.read(at.path) is not None:
        with BridgeApi(plan.bridge_url, secrets.bridge_admin_key) as bridge:
            bridge.expect(None, None)


def _say_version(webui: Webui, plan: Plan, report: Report) -> None:
    """Where it was not said before, since only the one that runs tells."""
    if site(plan.mode).webui_version(plan.settings) is None and not versions.known(answer := webui.version()):
        report.warn(joined("This version of Open WebUI is not known", *versions.doubt(answer)))


def _report(done: reindexing.Reindexed, report: Report, doing: Doing) -> None:
    reindexing.require_all(done)
    if done.left:
        report.warn(reindexing.describe_left(done.left))
    vectors = sum(base.vectors for base in done.bases)
    doing.did(f"embedded again: {vectors:,} vectors in {len(done.bases)} knowledge bases, each counted and asked")


def ensure_closed(plan: Plan) -> None:
    """Blocked unless an administrator exists and nobody else can make an account."""
    webui = Webui(plan.webui_url)
    try:
        if not webui.has_administrator():
            raise Blocked(
                "Open WebUI would be exposed while it has no administrator: the first to come would be it.",
                f"Open {plan.webui_url} and make the account; then run `embedstack up` again.",
            )
        if webui.sign_up_is_open():
            raise Blocked(
                "Open WebUI would be exposed while anyone who reaches it can make an account.",
                "Turn off Enable New Sign Ups in its Admin Settings, General; then run `embedstack up` again.",
            )
    finally:
        webui.close()


def _signed_in(webui: Webui, plan: Plan, secrets: Secrets, report: Report, *, needed: bool) -> bool:
    try:
        webui.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
    except WebuiRefused as error:
        if error.status not in WRONG_PASSWORD:
            raise
        if needed:
            raise WebuiRefused(
                f"Nothing was embedded again: {error.message}",
                error.advice or "`embedstack webui password` gives its administrator a new one; then this again.",
            ) from error
        report.warn(
            f"Open WebUI's settings were not compared: its administrator {plan.settings.webui.admin_email} has another "
            f"password than that of `embedstack config secrets` ({error.message})"
        )
        return False
    return True


def _hide(webui: Webui, plan: Plan) -> None:
    """An embedding model has nothing to say in a chat, and Open WebUI has been seen to choose it by itself."""
    if plan.engine.kind != "ollama":
        return
    name = plan.served.name
    webui.hide(name if ":" in name else f"{name}:latest")
