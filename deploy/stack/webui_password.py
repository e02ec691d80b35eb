"""A new password for an administrator of a stack's Open WebUI, whether it runs or not (in a container it has to)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from embedstack.deploy.console import Report
from embedstack.deploy.docker import cli as docker_argv
from embedstack.deploy.docker import client, variables
from embedstack.deploy.errors import CommandFailed, InvalidSettings, NotRunning, PartNotReady, WebuiUnsupported
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.record import Record
from embedstack.deploy.settings import Settings
from embedstack.deploy.webui import at_rest, install
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
    if record.mode == "docker":
        python = docker_argv.python(record.stack, parts.WEBUI)
        database = f"{variables.WEBUI_DATA}/{at_rest.DATABASE}"
    else:
        python, database = _native(settings, places)
    told = _run(python, {"database": database, "email": email, "password": password}, report)
    if "error" in told:
        raise _refusal(told, email, database)
    return bool(told.get("second_factor"))


def _native(settings: Settings, places: Places) -> tuple[list[str], str]:
    installed, database = install.environment(settings.webui), parts.webui_data(places) / at_rest.DATABASE
    if not installed.complete or not database.exists():
        raise NotRunning("Open WebUI has never run in this stack.", "`embedstack up --webui` brings it up.")
    return [str(installed.python), "-I"], str(database)


def _run(python: Sequence[str], told: dict[str, str], report: Report) -> dict[str, Any]:
    """The password goes over standard input: others on this machine see a command line."""
    script = (files("embedstack.deploy.webui") / "new_password.py").read_text(encoding="utf-8")
    report.command([*python, "-c", "…"])
    try:
        done = subprocess.run(
            [*python, "-c", script],
            env=client.environment(),
            input=json.dumps(told),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        answer = json_file.decode(done.stdout, dict[str, Any])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{python[0]} could not be run: {error}") from error
    except Damaged as error:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise CommandFailed(f"`{' '.join(python[:3])}` ended with {done.returncode}.", last) from error
    return answer


def _refusal(told: dict[str, Any], email: str, database: str) -> Exception:
    match told["error"]:
        case "account":
            others = ", ".join(told["admins"])
            return InvalidSettings(
                f"Open WebUI has no administrator {email}.",
                f"It has {others}: name one with --email." if others else "It has none: open it and make the account.",
            )
        case "unknown":
            return WebuiUnsupported(
                f"{database} is not as Open WebUI 0.12 makes it: {told['told']}. Nothing was changed.",
                "Bring it to a version that is known (webui.version), or let another administrator set the password.",
            )
        case _:
            return PartNotReady(
                f"{database} could not be written: {told['told']}. The password is what it was.",
                "Whatever holds it, as a backup, has to end first; then run the command again.",
            )
