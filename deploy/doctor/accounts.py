"""Open WebUI asked over its own API, where it runs: who has an account, its embedding settings, and its index."""

from typing import Any

from embedstack.deploy.bridge_api import BridgeApi, IndexFacts
from embedstack.deploy.doctor import http
from embedstack.deploy.doctor.exposure import Accounts
from embedstack.deploy.doctor.intent import Intent
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.webui import at_rest, library, wanted
from embedstack.deploy.webui import version as versions
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guard
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index.guard import Indexed
from embedstack.deploy.webui.index.record import IndexRecord

PART = parts.WEBUI
BRIDGE_IN_DOCKER = "http://bridge:11435"


def look(intent: Intent, machine: Machine) -> Accounts:
    """As it answers without an account."""
    told = http.get(f"{intent.plan.webui_url}/api/config") if machine.runs(PART) else None
    if not isinstance(told, dict):
        return Accounts(_started_before(intent, machine) or None, None)
    # `onboarding` stands there, and is true, while there is no account at all.
    features = told.get("features") or {}
    return Accounts(not told.get("onboarding", False), bool(features.get("enable_signup")))


def version(intent: Intent, machine: Machine) -> str | None:
    """Of the one that runs as it is planned, else of the one that is planned."""
    to_be = versions.planned(intent.settings, intent.mode)
    told = http.get(f"{intent.plan.webui_url}/api/version") if machine.runs(PART) and to_be is None else None
    return str(told["version"]) if isinstance(told, dict) and "version" in told else to_be


def _started_before(intent: Intent, machine: Machine) -> bool:
    """Whether it ran once: its first start makes the administrator, and switches sign-up off with that."""
    if intent.mode == "docker":
        return machine.places.plan.exists()
    return (parts.webui_data(machine.places) / at_rest.DATABASE).exists()


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


def index(plan: Plan, secrets: Secrets, places: Places) -> tuple[IndexRecord | None, IndexFacts, Indexed]:
    """What its index was made with, what it would be asked through, and how much is in it. PartNotReady as above."""
    with Webui(plan.webui_url) as client, BridgeApi(plan.bridge_url, secrets.bridge_admin_key) as bridge:
        client.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
        record = index_record.read(index_record.of_stack(places))
        return record, bridge.index(plan.webui_model), guard.indexed(library.look(client))
