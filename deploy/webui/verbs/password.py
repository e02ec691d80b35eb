"""`embedstack webui password`: a new one for an administrator who has lost it.

A new password for an administrator of a stack's Open WebUI, whether it runs or not (in a container it has to).
"""

from __future__ import annotations

import json
import secrets as random
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from rich.console import Group
from rich.text import Text

from embedstack.deploy import record, secrets
from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.docker import cli
from embedstack.deploy.errors import (
    CommandFailed,
    DeployError,
    InvalidSettings,
    PartNotReady,
    WebuiRefused,
    WebuiUnsupported,
)
from embedstack.deploy.places import Places, places
from embedstack.deploy.record import Record
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites import found
from embedstack.deploy.sites.site import WebuiPython
from embedstack.deploy.state import PartState
from embedstack.deploy.webui.client import Webui
from embedstack.readers import json_file
from embedstack.readers.content import Damaged

LONGEST = 72  # bytes: bcrypt takes no more
PATIENCE = 60.0  # seconds


def change(record: Record, settings: Settings, places: Places, email: str, password: str, report: Report) -> bool:
    """Whether the account has a second factor, which is asked for as before.

    InvalidSettings for an account that is none, PartNotReady for a database that is locked, WebuiUnsupported.
    """
    if not password or len(password.encode()) > LONGEST:
        raise InvalidSettings(f"A password has 1 to {LONGEST} bytes, not {len(password.encode())}.", "Take another.")
    at = found.site(record.mode).webui_python(record.stack, settings, places)
    answer = _run(at, {"database": at.database, "email": email, "password": password}, report)
    if "error" in answer:
        raise _refusal(answer, email, at.database)
    return bool(answer.get("second_factor"))


def _run(at: WebuiPython, entry: dict[str, str], report: Report) -> dict[str, Any]:
    """The password goes over standard input: others on this machine see a command line."""
    script = (files("embedstack.deploy.webui") / "new_password.py").read_text(encoding="utf-8")
    report.command([*at.argv, "-c", "…"])
    try:
        done = subprocess.run(
            [*at.argv, "-c", script],
            env=cli.environment(),
            input=json.dumps(entry),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        answer = json_file.decode(done.stdout, dict[str, Any])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{at.argv[0]} could not be run: {error}") from error
    except Damaged as error:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise CommandFailed(f"`{' '.join(at.argv[:3])}` ended with {done.returncode}.", last) from error
    return answer


def _refusal(entry: dict[str, Any], email: str, database: str) -> Exception:
    match entry["error"]:
        case "account":
            others = ", ".join(entry["admins"])
            return InvalidSettings(
                f"Open WebUI has no administrator {email}.",
                f"It has {others}: name one with --email." if others else "It has none: open it and make the account.",
            )
        case "unknown":
            return WebuiUnsupported(
                f"{database} is not as Open WebUI 0.12 makes it: {entry['reported']}. Nothing was changed.",
                "Bring it to a version that is known (webui.version), or let another administrator set the password.",
            )
        case _:
            return PartNotReady(
                f"{database} could not be written: {entry['reported']}. The password is what it was.",
                "Whatever holds it, as a backup, has to end first; then run the command again.",
            )


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
    factor = change(known, settings, where, account, new, report)
    kept = account == settings.webui.admin_email.lower()
    if kept:
        secrets.change(where, "webui_admin_password", new, report.warn)
    for part in found.of_record(known, where, report).states():
        _check(part, account, new, report)
    return WebuiPassword(account, None if typed is not None else new, kept, factor)


def _check(part: PartState, account: str, new: str, report: Report) -> None:
    """Sign in with it, where Open WebUI runs; what is not well there is reported, and takes nothing back."""
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
