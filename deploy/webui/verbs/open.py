"""`embedstack webui open`: Open WebUI in the browser."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from embedstack.deploy import record
from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.places import places
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites import found
from embedstack.deploy.webui.verbs import own
from embedstack.host.addresses import LOOPBACK


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
    running = own.part(found.of_record(record.read(where), where, report).states())
    url = running.address or f"http://{LOOPBACK}:{settings.ports.webui}"
    return WebuiOpen(url, settings.webui.admin_email, browse and _opened(url))


def _opened(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
