"""`embedstack webui apply`: Open WebUI set as it should be, the stack's own or somebody else's, and a document and a
question sent through it to see that the role of a text arrives at the bridge.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from rich.console import Group
from rich.text import Text

from embedstack.contract.answers import TraceRecord
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Report
from embedstack.deploy.errors import Blocked, PartNotReady
from embedstack.deploy.plan import stores
from embedstack.deploy.stack import store_step, webui_step
from embedstack.deploy.webui import library, pgvector_table, version
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import guarded, record
from embedstack.deploy.webui.index.guarded import GuardedIndex
from embedstack.deploy.webui.index.reindex import Reindexed
from embedstack.deploy.webui.settings.put import Difference
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs import own as webui_roles
from embedstack.deploy.webui.verbs import theirs
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere
from embedstack.deploy.webui.verbs.own import Own

NAME = "embedstack-proof.txt"
Kind = Literal["document", "query"]


@dataclass(frozen=True)
class Arrival:
    """What came of one text.

    Attributes:
        role: as the bridge took it; "" where it never saw the text.
        source: where the bridge had the role from, as `body input_type`.
        reason: why this is not as it should be, "" where it is.
    """

    kind: Kind
    role: str
    source: str
    reason: str = ""


@dataclass(frozen=True)
class RoleProof:
    """`sent` where Open WebUI said of each text what it is."""

    document: Arrival
    query: Arrival

    @property
    def sent(self) -> bool:
        return not self.document.reason and not self.query.reason


def prove(webui: Webui, bridge: BridgeApi) -> RoleProof:
    """Upload a small file, ask for it, take it away again. PartNotReady where either does not answer."""
    # Texts that no cache knows, and each of a length that nobody else sends just now.
    mark = secrets.token_hex(secrets.randbelow(64) + 32)
    texts: dict[Kind, str] = {"document": f"Whether a document arrives: {mark}", "query": f"And a question? {mark}"}
    before = max((record.seq for record in bridge.trace(0)), default=0)
    failed = _ask(webui, texts)
    came = bridge.trace(before)
    document, query = (arrival(kind, text, came, failed) for kind, text in texts.items())
    return RoleProof(document, query)


def arrival(kind: Kind, text: str, came: Sequence[TraceRecord], failed: str = "") -> Arrival:
    """What the bridge's requests say of this text. `failed`: why Open WebUI could not send it. Pure."""
    size = len(text.encode())
    found = next((record for record in came if record.bytes == size and record.texts == 1), None)
    if found is None:
        return Arrival(kind, "", "", failed or _missing(came, size))
    if found.source in ("default", ""):
        return Arrival(kind, found.role, found.source, "it came without a role")
    if found.role != kind:
        return Arrival(kind, found.role, found.source, f"it came as {found.role}")
    return Arrival(kind, found.role, found.source)


def _missing(came: Sequence[TraceRecord], size: int) -> str:
    if any(record.texts == 1 and size < record.bytes <= size + 300 for record in came):  # an instruction is shorter
        return "it came with something written before it: a prefix is set, and not the field that shall carry it"
    return "it did not come to this bridge" + (", though other texts did" if came else "")


def _ask(webui: Webui, texts: dict[Kind, str]) -> str:
    """Why it could not, "" where it could. What was uploaded is taken away again."""
    try:
        file = library.upload(webui, NAME, texts["document"].encode())
        library.query(webui, f"file-{file}", texts["query"], 1)
    except PartNotReady as error:
        return error.message
    finally:
        _take_away(webui)
    return ""


def _take_away(webui: Webui) -> None:
    """What was uploaded, also where it failed, now or before."""
    with suppress(PartNotReady):
        for file in library.look(webui).chat_files:
            if file.name == NAME:
                webui.ask("DELETE", f"/api/v1/files/{file.id}")


NOT_SENT = 1  # the exit status where a text's role does not reach the bridge
REMEDY = "embedstack webui apply --reindex"


@dataclass(frozen=True)
class WebuiApplied:
    """What was changed. `exit_code` NOT_SENT where the proof failed, or a file is not in the index that was made again.

    Attributes:
        restarted: whether Open WebUI was restarted, for what only its environment carries.
        environment: lines that anyone who runs it has to set; empty for the stack's own, which has them.
        proof: how a document and a question arrived at the bridge; None for the stack's own.
        reindexed: what was embedded again; None where nothing had to be.
    """

    url: str
    version: str
    changed: tuple[Difference, ...]
    restarted: bool
    environment: tuple[str, ...]
    proof: RoleProof | None
    reindexed: Reindexed | None
    exit_code: int

    def __rich__(self) -> Group:
        nothing = not self.changed and not self.restarted and not self.reindexed
        count = f"{len(self.changed)} settings put right" if self.changed else "set as it should be"
        head = Text.assemble((self.url, "bold"), ": ", "nothing had changed" if nothing else count)
        changed = [Text(f"{one.name}: {one.value} is now {one.must}") for one in self.changed]
        again = [Text("restarted, with the environment that sends a text's role")] if self.restarted else []
        remedy = [self.reindexed] if self.reindexed else []
        return Group(head, *changed, *again, *remedy, *self._proof_lines())

    def _proof_lines(self) -> list[Text]:
        if self.proof is None:
            return []
        arrivals = [_arrival(one) for one in (self.proof.document, self.proof.query)]
        if self.proof.sent:
            return [*arrivals, Text("The role of each text arrives: its environment is as it should be.", "green")]
        return [
            *arrivals,
            Text("The role does not arrive: questions are embedded as if they were documents.", "bold red"),
            Text("Its API cannot set that. Put these into the environment of Open WebUI, and restart it:"),
            *(Text(line, no_wrap=True, overflow="ignore") for line in self.environment),
        ]


def apply(
    loaded: LoadedSettings, there: Elsewhere | None, report: Report, *, reindex: bool, any_version: bool
) -> WebuiApplied:
    """NotRunning, WebuiUnsupported, WebuiRefused, PartNotReady, IndexWouldBreak: then no setting was changed."""
    if there is None:
        return _own(loaded, report, reindex=reindex, any_version=any_version)
    return _elsewhere(loaded, there, report, reindex=reindex, any_version=any_version)


def _own(loaded: LoadedSettings, report: Report, *, reindex: bool, any_version: bool) -> WebuiApplied:
    own = webui_own.find(loaded.settings, report)
    _as_brought_up(own)
    _column_fits(own, report)
    with Webui(own.plan.webui_url) as webui:
        reported = _version(webui, any_version=any_version)
        webui_own.signed_in(own, webui)
        index = webui_step.index(own.plan, own.secrets, own.places)
        # Before anything is embedded again: what it puts before a text would be in the index for good.
        restarted = webui_roles.ensure_role(own, report) if reindex else False
        done = guarded.settle(webui, own.must, index, report, remedy=REMEDY, reindex=reindex)
    restarted = webui_roles.ensure_role(own, report) or restarted
    code = done.reindexed.exit_code if done.reindexed else 0
    return WebuiApplied(webui.url, reported, done.changed, restarted, (), None, done.reindexed, code)


def _elsewhere(
    loaded: LoadedSettings, there: Elsewhere, report: Report, *, reindex: bool, any_version: bool
) -> WebuiApplied:
    wanted = theirs.find(loaded.settings, there)
    with Webui(there.url) as webui, wanted.bridge() as bridge:
        reported = _version(webui, any_version=any_version)
        theirs.signed_in(webui, there)
        bridge.index(wanted.model)  # it knows the model, and its trace can be read: else nothing is changed
        bridge.trace(0)
        index = GuardedIndex(record.of_url(there.url), wanted.here, wanted.admin_key)
        done = guarded.settle(webui, wanted.must, index, report, remedy=REMEDY, reindex=reindex)
        with report.step("a document and a question through Open WebUI"):
            proved = prove(webui, bridge)
    whole = done.reindexed is None or not done.reindexed.exit_code
    code = 0 if proved.sent and whole else NOT_SENT
    return WebuiApplied(webui.url, reported, done.changed, False, stores.lines(), proved, done.reindexed, code)


def _version(webui: Webui, *, any_version: bool) -> str:
    answer = webui.version()
    version.require(answer, webui.url, any_version=any_version)
    return answer


def _as_brought_up(own: Own) -> None:
    """Blocked where the settings ask for another model than the stack runs: its bridge would not know it."""
    if other := webui_own.other_model(own):
        raise Blocked(*other)


def _column_fits(own: Own, report: Report) -> None:
    """IndexWouldBreak where vectors go into a column of PostgreSQL of another size: Open WebUI, which is restarted
    by `up` alone, would cut or fill them up in silence, and counting them shows nothing.
    """
    if not store_step.wanted(own.plan):
        return
    ask = store_step.asked_by(own.runner(report))
    table = pgvector_table.look(ask)
    if table is not None and not table.fits(own.plan.dimensions):
        raise pgvector_table.refusal(table, pgvector_table.count(ask), own.plan.dimensions)


def _arrival(one: Arrival) -> Text:
    came = f"{one.role} ({one.source})" if one.role else "not seen"
    return Text.assemble(f"{one.kind:<9} {came}", (f"  {one.reason}" if one.reason else "", "red"))
