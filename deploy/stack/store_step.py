"""The vector store, before an Open WebUI is started that could not start with it as it is.

The vector store that runs already, as the settings name it: its password read from its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidSettings, PartNotReady
from embedstack.deploy.plan import stores
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.plan.stores import StoreServer
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.site import Runner, Site
from embedstack.deploy.stack.steps import Doing
from embedstack.deploy.webui import pgvector_table
from embedstack.deploy.webui.index.guarded import GuardedIndex
from embedstack.deploy.webui.pgvector_table import SCRIPT, Ask
from embedstack.readers import content, json_file
from embedstack.readers.content import Damaged, DamagedFile


def wanted(plan: Plan) -> bool:
    """Whether there is anything to prepare: only pgvector's column is of one length for all knowledge bases."""
    return plan.settings.webui.enabled and plan.settings.webui.vector_store == "pgvector"


def prepare(plan: Plan, runner: Runner, index: GuardedIndex, report: Report, doing: Doing, *, reindex: bool) -> None:
    """See that Open WebUI can start: make room where it may, else IndexWouldBreak. PartNotReady where nobody answers.

    `reindex`: what is indexed is to be embedded again, so its vectors need not be kept.
    """
    ask = asked_by(runner)
    table = pgvector_table.look(ask)
    if table is None:
        doing.was_done("no vectors yet")
    elif not table.fits(plan.dimensions):
        rows = pgvector_table.count(ask)
        if rows and not reindex:
            raise pgvector_table.refusal(table, rows, plan.dimensions)
        if rows:
            # Before: whatever ends `up` from here on, it is known that the texts are still to be embedded.
            facts = index.facts(plan.webui_model, report)
            if facts is None:
                raise PartNotReady(
                    f"The {rows:,} vectors in PostgreSQL were left alone: the bridge does not tell what would take "
                    "their place.",
                    "`embedstack status` says how the bridge is; then `embedstack up --reindex` again.",
                )
            index.keep(facts, plan.webui_model, report, complete=False)
        pgvector_table.drop(ask)
        doing.did(f"{rows:,} vectors of {table.column} given up for {stores.column(plan.dimensions)}")
    elif table.foreign_index:
        pgvector_table.drop_index(ask)
        doing.did(f"its {table.index} index given up for {stores.INDEX}")
    else:
        doing.was_done(table.column)


def asked_by(runner: Runner) -> Ask:
    """PostgreSQL, asked by the Python of Open WebUI: it has the driver, and reaches the server as Open WebUI does."""

    def ask(statement: str) -> Sequence[Sequence[Any]]:
        output = runner.in_webui(SCRIPT, statement)
        try:
            rows = json_file.decode(output, list[list[Any]])
        except Damaged as error:
            raise PartNotReady(f"PostgreSQL was asked, and what came back is {output[:200]!r}.") from error
        return rows

    return ask


def store_server(settings: Settings, place: Site, dimensions: int) -> StoreServer | None:
    """None where Open WebUI needs none, or the stack runs it itself. InvalidSettings."""
    webui = settings.webui
    if not webui.enabled:
        return None
    stores.check(webui.vector_store, dimensions, webui.vector_store_url)
    if webui.vector_store_url is not None:
        key = _read(webui.vector_store_key_file) if webui.vector_store_key_file else None
        return StoreServer(webui.vector_store_url, key, webui.vector_store_grpc_port)
    if webui.vector_store != "chroma":
        place.ensure_store(webui.vector_store)
    return None


def _read(path: Path) -> str:
    try:
        key = content.read_key(path)
        if not key.isprintable():
            raise DamagedFile(path, "it is not one line")
    except OSError as error:
        raise InvalidSettings(
            f"webui.vector_store_key_file is {path}, which cannot be read: {error.strerror}.",
            "Name a file that holds the password and nothing else.",
        ) from error
    except DamagedFile as error:
        raise InvalidSettings(
            f"webui.vector_store_key_file: {error}.", "It should hold the password and nothing else."
        ) from None
    return key
