"""`embedstack webui password`: a new one for an administrator who has lost it."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from embedstack.deploy import record, secrets
from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.errors import DeployError, WebuiRefused
from embedstack.deploy.places import places
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import runners, webui_password
from embedstack.deploy.state import PartState
from embedstack.deploy.webui.client import Webui


@dataclass(frozen=True)
class WebuiPassword:
    """The password in clear, this once, unless it was typed. `kept`: whether `config secrets` has it too."""

    email: str
    password: str | None
    kept: bool
    second_factor: bool

    def __rich__(self) -> Group:
        shown = [] if self.password is None else [_whole(f"password: {self.password}")]
        kept = (
            followable("`embedstack config secrets` has it too") if self.kept else "it is kept nowhere: write it down"
        )
        factor = ["the second factor is asked for as before"] if self.second_factor else []
        return Group(_whole(f"account:  {self.email}"), *shown, *map(_whole, (kept, *factor)))


def password(settings: Settings, report: Report, *, email: str | None, typed: str | None) -> WebuiPassword:
    """`typed` None: one is made. NotRunning, InvalidSettings, PartNotReady; then nothing was changed."""
    where = places(settings.stack.name)
    known = record.read(where)
    secrets.read(where, report.warn)  # what cannot be kept is known before anything is changed
    account = (email or settings.webui.admin_email).lower()
    new = random.token_urlsafe(24) if typed is None else typed
    factor = webui_password.change(known, settings, where, account, new, report)
    kept = account == settings.webui.admin_email.lower()
    if kept:
        secrets.change(where, "webui_admin_password", new, report.warn)
    for part in runners.of_record(known, where, report).states():
        _check(part, account, new, report)
    return WebuiPassword(account, None if typed is not None else new, kept, factor)


def _check(part: PartState, account: str, new: str, report: Report) -> None:
    """Sign in with it, where Open WebUI runs; what is not well there is told, and takes nothing back."""
    if part.name != "open-webui" or part.state != "running" or part.address is None:
        return
    try:
        with Webui(part.address) as webui:
            webui.sign_in(account, new)
    except WebuiRefused as error:
        report.warn(f"It was not taken at once: {error.message}")
    except DeployError as error:
        report.warn(f"It could not be tried: {error.message}")


def _whole(line: str) -> Text:
    """Never wrapped or cut: it is for copying."""
    return Text(line, no_wrap=True, overflow="ignore")
