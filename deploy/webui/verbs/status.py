"""`embedstack webui status`: Open WebUI's settings as they are and as they should be, and whether its index stays
valid; `webui open`: its page.
"""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from embedstack.deploy import record
from embedstack.deploy.advice import followable
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Report
from embedstack.deploy.places import places
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites import found
from embedstack.deploy.stack import webui_step
from embedstack.deploy.webui import version
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.index import record as index_record
from embedstack.deploy.webui.index import validity
from embedstack.deploy.webui.index.guarded import GuardedIndex
from embedstack.deploy.webui.index.validity import IndexValidity
from embedstack.deploy.webui.settings import shown as setting
from embedstack.deploy.webui.settings.shown import WebuiSetting
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs import theirs
from embedstack.deploy.webui.verbs.apply import REMEDY
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere
from embedstack.host.addresses import LOOPBACK
from embedstack.words import joined


@dataclass(frozen=True)
class WebuiStatus:
    """`known`: whether that version is one whose settings are known. `exit_code` 1 where any differs.

    Attributes:
        first: what has to be done before `webui apply` can be, "" for nothing.
        index: whether what is indexed stays searchable; None where the stack runs another model than is asked for.
    """

    url: str
    version: str
    known: bool
    settings: tuple[WebuiSetting, ...]
    exit_code: int
    first: str = ""
    index: IndexValidity | None = None

    def __rich__(self) -> Group:
        differ = sum(row.differs for row in self.settings)
        message = f"{differ} of {len(self.settings)} settings differ" if differ else "set as it should be"
        head = Text.assemble(
            (self.url, "bold"), f": Open WebUI {self.version}, ", (message, "yellow" if differ else "")
        )
        return Group(head, "", self._table(), *self._notes(), *(("", self.index) if self.index else ()))

    def _table(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("setting", no_wrap=True)
        for column in ("is", "should be"):
            table.add_column(column, overflow="fold")
        for row in self.settings:
            style = "yellow" if row.differs else ""
            same = row.value == row.must and not row.differs
            table.add_row(Text(row.name, style), _from(row.value, row.came), _from(row.must, row.wanted, same=same))
        return table

    def _notes(self) -> list[RenderableType]:
        notes = [f"{row.name}: {row.note}" for row in self.settings if row.note]
        if not self.known:
            notes.append(joined("This version of Open WebUI is not known", *version.doubt(self.version)))
        if any(row.came == setting.UNSEEN for row in self.settings):
            notes.append(
                "Its environment cannot be seen from here: `embedstack webui apply` tries whether the role arrives."
            )
        if self.first:
            notes.append(self.first)
        elif self.exit_code:
            notes.append("`embedstack webui apply` sets what differs.")
        return ["", *(Text(followable(note)) for note in notes)] if notes else []


def _from(value: str, source: str, *, same: bool = False) -> Text:
    """A value with where it came from; "=" where it is the one beside it."""
    shown = "=" if same else "?" if source == setting.UNSEEN else value or "nothing"
    return Text.assemble(shown, (f" ({source})", "dim"))


def status(loaded: LoadedSettings, there: Elsewhere | None, report: Report) -> WebuiStatus:
    """NotRunning, PartNotReady; WebuiRefused where the account or the token does not count."""
    return _own(loaded, report) if there is None else _elsewhere(loaded, there, report)


def _own(loaded: LoadedSettings, report: Report) -> WebuiStatus:
    own = webui_own.find(loaded.settings, report)
    environ = webui_own.variables_seen(own, own.running)
    with Webui(own.plan.webui_url) as webui:
        answer = webui.version()
        webui_own.signed_in(own, webui)
        is_set = webui.embedding()
        other = webui_own.other_model(own)
        at = webui_step.index(own.plan, own.secrets, own.places)
        index = None if other else validity.look(webui, own.must, at, report, remedy=REMEDY)
    rows = setting.settings(is_set, own.must, setting.sources(loaded.sources), environ)
    return _status(webui.url, answer, rows, index, f"{other[0]} {other[1]}" if other else "")


def _elsewhere(loaded: LoadedSettings, there: Elsewhere, report: Report) -> WebuiStatus:
    found = theirs.find(loaded.settings, there)
    with Webui(there.url) as webui:
        answer = webui.version()
        theirs.signed_in(webui, there)
        is_set = webui.embedding()
        at = GuardedIndex(index_record.of_url(there.url), found.here, found.admin_key)
        index = validity.look(webui, found.must, at, report, remedy=REMEDY)
    sources = setting.sources(loaded.sources) | _named(there)
    return _status(webui.url, answer, setting.settings(is_set, found.must, sources, None), index)


def _named(there: Elsewhere) -> dict[str, str]:
    bridge = {"RAG_OLLAMA_BASE_URL": "--bridge"} if there.bridge else {}
    return bridge | ({"RAG_OLLAMA_API_KEY": "--bridge-key"} if there.bridge_key else {})


def _status(
    url: str, text: str, rows: tuple[WebuiSetting, ...], index: IndexValidity | None, first: str = ""
) -> WebuiStatus:
    return WebuiStatus(url, text, version.known(text), rows, int(any(row.differs for row in rows)), first, index)


@dataclass(frozen=True)
class WebuiOpen:
    """`opened` False where no browser could be asked to."""

    url: str
    account: str
    opened: bool

    def __rich__(self) -> Group:
        as_whom = Text(followable(f"as {self.account}; `embedstack config secrets` has the password"), "dim")
        return Group(Text(self.url, no_wrap=True, overflow="ignore"), as_whom)


def open_(settings: Settings, report: Report, *, browse: bool) -> WebuiOpen:
    """NotRunning where it does not run."""
    where = places(settings.stack.name)
    running = webui_own.part(found.of_record(record.read(where), where, report).states())
    url = running.address or f"http://{LOOPBACK}:{settings.ports.webui}"
    return WebuiOpen(url, settings.webui.admin_email, browse and _opened(url))


def _opened(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
