"""`--expose`: what other machines may reach, and who must be in charge there before they may.

127.0.0.2 is this machine too, and is answered there only by what listens on every address.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests

from tests.e2e.open_webui import OpenWebui
from tests.stack_command import StackCommand, stack_command

ELSEWHERE = "127.0.0.2"
HOLIDAY = "员工每年享有十五天带薪休假。"


def test_exposed_once_it_is_closed(tmp_path: Path) -> None:
    """Refused before it has run, while there is no administrator and while sign-up is open, each with the next step;
    then Open WebUI alone is reached from elsewhere, and with `all` the bridge by who has its key, as Open WebUI.
    """
    with stack_command(tmp_path, EMBEDSTACK_WEBUI_ENABLED="true") as command:
        _refused(command, "EXPOSED-NO-ADMIN", "embedstack up --expose none")
        command.data("up")
        with _signed_in(command) as webui:
            with _nobody(command):
                _refused(command, "EXPOSED-NO-ADMIN", "embedstack up --expose none")
            _sign_up(webui, is_open=True)
            _refused(command, "EXPOSED-SIGN-UP", "Enable New Sign Ups")
        command.data("down")
        # It cannot be asked before it runs: so it is started where nobody else reaches it.
        _refused(command, "Open WebUI would be exposed", "Enable New Sign Ups")
        with _signed_in(command) as webui:
            _sign_up(webui, is_open=False)

            command.data("up", "--expose", "webui")
            assert (_reached(command, "WEBUI"), _reached(command, "BRIDGE")) == (200, None)

            command.data("up", "--expose", "all")
            assert (_reached(command, "WEBUI"), _reached(command, "BRIDGE")) == (200, 401)
            key = command.data("config", "secrets")["secrets"]["bridge_key"]
            assert _reached(command, "BRIDGE", Authorization=f"Bearer {key}") == 200
            handbook = webui.knowledge("handbook")
            webui.upload("holiday.txt", HOLIDAY.encode(), knowledge=handbook)
            assert webui.found(handbook, "公司年假政策有哪些?") == [HOLIDAY]


def _refused(command: StackCommand, message: str, advice: str) -> None:
    """Exit status 3, and nothing that another machine reaches."""
    error = command.error("up", "--expose", "webui")
    assert (error["code"], error["exit_code"]) == ("blocked", 3), error
    assert message in error["message"]
    assert advice in error["advice"]
    assert _reached(command, "WEBUI") is None


def _reached(command: StackCommand, part: str, **headers: str) -> int | None:
    """The status of an answer from elsewhere, None without one."""
    path = {"WEBUI": "/api/config", "BRIDGE": "/api/version"}[part]
    try:
        return requests.get(f"http://{ELSEWHERE}:{command.ports[part]}{path}", headers=headers, timeout=30).status_code
    except requests.ConnectionError:
        return None


@contextmanager
def _signed_in(command: StackCommand) -> Iterator[OpenWebui]:
    with closing(OpenWebui(command.webui)) as webui:
        webui.sign_in(password=command.data("config", "secrets")["secrets"]["webui_admin_password"])
        yield webui


def _sign_up(webui: OpenWebui, *, is_open: bool) -> None:
    now = webui.ask("GET", "/api/v1/auths/admin/config")
    webui.ask("POST", "/api/v1/auths/admin/config", {**now, "ENABLE_SIGNUP": is_open})


@contextmanager
def _nobody(command: StackCommand) -> Iterator[None]:
    """Open WebUI as it runs, without a single account: the first to come would be its administrator."""
    home = Path(command.environment["EMBEDSTACK_HOME"])
    file = home / "stacks" / "embedstack" / "data" / "open-webui" / "webui.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("create table kept as select * from user")
        database.execute("delete from user")
        try:
            yield
        finally:
            database.execute("insert into user select * from kept")
            database.execute("drop table kept")
