"""Open WebUI asked over its own API, where it runs: who has an account, and what its embedding settings are."""

from typing import Any

from deploy.doctor import http
from deploy.doctor.exposure import Accounts
from deploy.doctor.intent import Intent
from deploy.doctor.machine import Machine
from deploy.native import parts
from deploy.plan import Plan
from deploy.secrets import Secrets
from deploy.webui import wanted
from deploy.webui.client import Webui

PART = parts.WEBUI
DATABASE = "webui.db"
BRIDGE_IN_DOCKER = "http://bridge:11435"


def look(intent: Intent, machine: Machine) -> Accounts:
    """As it answers without an account."""
    told = http.get(f"{intent.plan.webui_url}/api/config") if machine.runs(PART) else None
    if not isinstance(told, dict):
        return Accounts(_started_before(intent, machine) or None, None)
    # `onboarding` stands there, and is true, while there is no account at all.
    features = told.get("features") or {}
    return Accounts(not told.get("onboarding", False), bool(features.get("enable_signup")))


def _started_before(intent: Intent, machine: Machine) -> bool:
    """Whether it ran once: its first start makes the administrator, and switches sign-up off with that."""
    if intent.mode == "docker":
        return machine.places.plan.exists()
    return (parts.webui_data(machine.places) / DATABASE).exists()


def embedding(plan: Plan, secrets: Secrets) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its embedding settings as they are, and as they should be. PartNotReady where the first administrator may not."""
    client = Webui(plan.webui_url)
    try:
        client.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
        is_set = client.embedding()
    finally:
        client.close()
    bridge = BRIDGE_IN_DOCKER if plan.mode == "docker" else plan.bridge_url
    return is_set, wanted.embedding(plan, bridge, secrets.bridge_key if plan.keyed else "")
