"""The server of Open WebUI's vectors that is not the stack's own."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.plan.plan import Plan

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


def check(plan: Plan, answers: bool | None) -> Iterator[Finding]:
    """`answers`: whether it could be reached from this machine."""
    if plan.store is None:
        return
    name = plan.settings.webui.vector_store
    if answers is False:
        yield Finding(
            "STORE-UNREACHABLE",
            # A container may know names that this machine does not.
            "blocker" if plan.mode == "native" else "warning",
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
