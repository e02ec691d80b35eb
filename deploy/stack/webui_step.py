"""Open WebUI once it runs: set as it should be, its list of chat models without ours, and closed to strangers."""

from __future__ import annotations

from deploy.console import Report
from deploy.errors import Blocked, PartNotReady
from deploy.plan import Plan
from deploy.secrets import Secrets
from deploy.stack.steps import Doing
from deploy.webui import wanted
from deploy.webui.client import Webui
from deploy.webui.wanted import Difference

MODEL = ("RAG_EMBEDDING_ENGINE", "RAG_EMBEDDING_MODEL")
"""What cannot change below what was indexed; address, key and pace can."""


def settle(plan: Plan, secrets: Secrets, bridge_url: str, report: Report, doing: Doing) -> None:
    """Put its settings right; those of the model only where nothing was indexed with another, else it is told."""
    webui = Webui(plan.webui_url)
    try:
        if not _signed_in(webui, plan, secrets, report):
            return
        is_set = webui.embedding()
        must = wanted.embedding(plan, bridge_url, secrets.bridge_key if plan.keyed else "")
        model = wanted.differences(is_set, {name: must[name] for name in MODEL})
        if model and (indexed := webui.indexed()):
            _warn(report, indexed, model)
            must |= {name: is_set[name] for name in MODEL}
        differs = wanted.differences(is_set, must)
        if differs:
            webui.set_embedding(must)
            doing.did(f"{len(differs)} settings put right")
        _hide(webui, plan)
    finally:
        webui.close()


def _warn(report: Report, indexed: int, model: tuple[Difference, ...]) -> None:
    report.warn(
        f"Open WebUI has {indexed} documents and knowledge bases, and another model: {'; '.join(map(str, model))}. "
        "It was left as it is, since what is indexed cannot be searched with another model. To change it: Admin "
        "Settings, Documents, and Reindex there."
    )


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
