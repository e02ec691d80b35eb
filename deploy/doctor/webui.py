"""Open WebUI's embedding settings, which it keeps in its database after the first start. Pure.

Open WebUI's index against what it would be asked through. Pure.

Whether Open WebUI ever tells the bridge which texts are questions. Pure.

The server of Open WebUI's vectors that is not the stack's own.

What other machines may reach must have an owner first. Pure.

Open WebUI asked over its own API, where it runs: who has an account, its embedding settings, and its index.
"""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.doctor import ports
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.http import get_json
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.sites.found import site
from embedstack.deploy.webui import library
from embedstack.deploy.webui import version as versions
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guard
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index.guard import Indexed
from embedstack.deploy.webui.index.record import IndexRecord
from embedstack.deploy.webui.settings import put
from embedstack.deploy.webui.settings.put import differences


def check(is_set: Mapping[str, Any], should_be: Mapping[str, Any], *, other_model: bool = False) -> Iterator[Finding]:
    """Both as GET /api/v1/retrieval/embedding has them. No key is reported. `other_model`: what runs is another
    one than is asked for.
    """
    if found := differences(is_set, should_be):
        yield Finding(
            "WEBUI-DIFFERS",
            "warning",
            "Open WebUI embeds with other settings than the stack's",
            "; ".join(map(str, found)) + ".",
            "Its documents may be embedded by another model than its questions, or by none.",
            "`embedstack webui status` shows where each came from; "
            + ("`embedstack up` changes model and settings." if other_model else "`embedstack webui apply` sets them."),
        )


def check_version(version: str | None) -> Iterator[Finding]:
    """`version`: of the one that runs, else of the one that is to; None where nobody tells."""
    if version is not None and not versions.known(version):
        evidence, impact, step = versions.doubt(version)
        yield Finding("WEBUI-UNKNOWN", "warning", "This version of Open WebUI is not known", evidence, impact, step)


def check_index(record: IndexRecord | None, now: IndexFacts, indexed: Indexed, store: str) -> Iterator[Finding]:
    """`now`: what the stack would have Open WebUI ask for; `store`: where it would look."""
    judged = guard.judge(record, now, indexed, store=store)
    if judged.verdict == "breaks":
        yield Finding(
            "INDEX-MISMATCH",
            "blocker",
            "Open WebUI's index was made with something else than it would be asked through",
            f"{'; '.join(judged.changes)}. It has {indexed}.",
            "Questions would find nothing, or the wrong paragraphs, and Open WebUI would not say so; the bridge "
            "refuses them.",
            "Set back what was changed, or `embedstack up --reindex`, which embeds everything again.",
        )
    if judged.verdict == "unfinished":
        yield Finding(
            "INDEX-UNFINISHED",
            "warning",
            "A reindex of Open WebUI did not end, or not for every file",
            f"It has {indexed}.",
            "Files that it left out are not found, and Open WebUI does not say so.",
            "`embedstack webui reindex` goes through all of it again, and names what fails.",
        )


# Texts without a role after which it is not an accident; the bridge's own log line waits for as many.
ENOUGH = 50


def check_roles(texts: Mapping[str, int]) -> Iterator[Finding]:
    """`texts` of Open WebUI since the bridge's start, by what said their role: field, header, alias or default."""
    without = texts.get("default", 0)
    if without >= ENOUGH and sum(texts.values()) == without:
        yield Finding(
            "ROLE-NEVER-SENT",
            "warning",
            "Open WebUI never says which texts are questions",
            f"{without} texts have come from it, and none with a role.",
            "A question is embedded as if it were a document, without its instruction, and finds less.",
            "`embedstack webui apply`; an Open WebUI of your own wants RAG_EMBEDDING_PREFIX_FIELD_NAME=input_type, "
            "RAG_EMBEDDING_QUERY_PREFIX=query and RAG_EMBEDDING_CONTENT_PREFIX=document in its environment.",
        )


TIMEOUT = 3.0  # seconds
DEFAULTS = {"postgresql": 5432, "http": 80, "https": 443}


def reached(url: str) -> bool | None:
    """Whether something listens there; None for an address without a host: a socket in a folder."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return None
    try:
        socket.create_connection((parts.hostname, parts.port or DEFAULTS[parts.scheme]), TIMEOUT).close()
    except OSError:
        return False
    return True


def check_stores(plan: Plan, answers: bool | None) -> Iterator[Finding]:
    """`answers`: whether it could be reached from this machine."""
    if plan.store is None:
        return
    name = plan.settings.webui.vector_store
    if answers is False:
        yield Finding(
            "STORE-UNREACHABLE",
            # A container may know names that this machine does not.
            "blocker" if site(plan.mode).shares_network else "warning",
            f"Nothing answers as {name}",
            f"webui.vector_store_url is {plan.store.url}, and no connection came about.",
            "Open WebUI ends at its start without the store of its vectors.",
            "Start it, or put webui.vector_store_url right.",
        )
    if name == "weaviate":
        yield Finding(
            "WEAVIATE-LIMIT",
            "note",
            "A Weaviate that somebody else set up may drop most of each file",
            "Unless its QUERY_DEFAULTS_LIMIT says otherwise, it answers an open question with 10 objects.",
            "Open WebUI then takes 10 chunks of a file into a knowledge base, and says nothing.",
            "Start it with QUERY_DEFAULTS_LIMIT=100000 and QUERY_MAXIMUM_RESULTS=100000, as the stack does its own.",
        )


@dataclass(frozen=True)
class Accounts:
    """Open WebUI's. None where it could not be asked, as before it runs."""

    administrator: bool | None
    sign_up: bool | None


def check_exposure(plan: Plan, accounts: Accounts) -> Iterator[Finding]:
    settings = plan.settings
    if settings.stack.expose == "none" or not settings.webui.enabled:
        return
    if not accounts.administrator:
        seen = "has no account yet" if accounts.administrator is False else "does not run yet, and cannot be asked"
        yield Finding(
            "EXPOSED-NO-ADMIN",
            "blocker",
            "Open WebUI would be open to the network without an administrator",
            f"stack.expose is {settings.stack.expose}; Open WebUI {seen}.",
            "The first visitor would own it.",
            "`embedstack up --expose none` makes the administrator (`embedstack config secrets` has the password); "
            f"then `embedstack up --expose {settings.stack.expose}`.",
        )
    if accounts.sign_up:
        yield Finding(
            "EXPOSED-SIGN-UP",
            "blocker",
            "Anyone who reaches Open WebUI could make an account",
            f"stack.expose is {settings.stack.expose}, and sign-up is on.",
            "Everybody on the network could use the models and see what is shared.",
            "Switch it off: Admin Settings, General, Enable New Sign Ups.",
        )


PART = parts.WEBUI


def look_at_accounts(plan: Plan, machine: Machine) -> Accounts:
    """As it answers without an account."""
    answer = get_json(f"{plan.webui_url}/api/config", ports.TIMEOUT) if machine.runs(PART) else None
    if not isinstance(answer, dict):
        return Accounts(site(plan.mode).webui_ran(machine.places) or None, None)
    # `onboarding` stands there, and is true, while there is no account at all.
    features = answer.get("features") or {}
    return Accounts(not answer.get("onboarding", False), bool(features.get("enable_signup")))


def running_version(plan: Plan, machine: Machine) -> str | None:
    """Of the one that runs as it is planned, else of the one that is planned."""
    to_be = site(plan.mode).webui_version(plan.settings)
    answer = get_json(f"{plan.webui_url}/api/version", ports.TIMEOUT) if machine.runs(PART) and to_be is None else None
    return str(answer["version"]) if isinstance(answer, dict) and "version" in answer else to_be


def embedding_settings(plan: Plan, secrets: Secrets) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its embedding settings as they are, and as they should be. PartNotReady where the first administrator may not."""
    client = Webui(plan.webui_url)
    try:
        client.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
        is_set = client.embedding()
    finally:
        client.close()
    return is_set, put.embedding(plan, site(plan.mode).bridge_url(plan), secrets.bridge_key if plan.keyed else "")


def index_facts(plan: Plan, secrets: Secrets, places: Places) -> tuple[IndexRecord | None, IndexFacts, Indexed]:
    """What its index was made with, what it would be asked through, and how much is in it. PartNotReady as above."""
    with Webui(plan.webui_url) as client, BridgeApi(plan.bridge_url, secrets.bridge_admin_key) as bridge:
        client.sign_in(plan.settings.webui.admin_email, secrets.webui_admin_password)
        record = index_record.read(index_record.of_stack(places))
        return record, bridge.index(plan.webui_model), guard.indexed(library.look(client))
