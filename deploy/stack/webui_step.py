"""Open WebUI once it runs: set as it should be, its list of chat models without ours, and closed to strangers."""

from __future__ import annotations

from deploy.console import Report
from deploy.errors import Blocked, PartNotReady
from deploy.plan import Plan
from deploy.secrets import Secrets
from deploy.stack.steps import Doing
from deploy.webui import wanted
from deploy.webui.client import Webui


def settle(plan: Plan, secrets: Secrets, bridge_url: str, report: Report, doing: Doing) -> None:
    """Compare its settings and put them right where nothing was indexed with the old ones; else say what differs."""
    webui = Webui(plan.webui_url)
    try:
        if not _signed_in(webui, plan, secrets, report):
            return
        must = wanted.embedding(plan, bridge_url, secrets.bridge_key if plan.keyed else "")
        differs = wanted.differences(webui.embedding(), must)
        if differs and (indexed := webui.indexed()):
            told = "; ".join(map(str, differs))
            report.warn(
                f"Open WebUI has {indexed} documents and knowledge bases and other settings: {told}. They were left as "
                "they are, since what is indexed cannot be searched with another model. Admin Settings, Documents has "
                "the settings, and Reindex beside them."
            )
            return
        if differs:
            webui.set_embedding(must)
        _hide(webui, plan)
        if differs:
            doing.did(f"{len(differs)} settings put right")
    finally:
        webui.close()


def ensure_closed(plan: Plan) -> None:
    """Blocked unless an administrator exists and nobody else can make an account."""
    webui = Webui(plan.webui_url)
    try:
        if webui.sign_up_is_open():
            raise Blocked(
                "Open WebUI would be exposed while whoever reaches it can make an account.",
                "Turn off Enable New Sign Ups in its Admin Settings, General; then run `embedstack up` again.",
            )
        if not webui.has_administrator():
            raise Blocked(
                "Open WebUI would be exposed while it has no administrator: the first to come would be it.",
                f"Open {plan.webui_url} and make the account; then run `embedstack up` again.",
            )
    finally:
        webui.close()


def _signed_in(webui: Webui, plan: Plan, secrets: Secrets, report: Report) -> bool:
    try:
        webui.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
    except PartNotReady as error:
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
