"""What `webui password` writes into Open WebUI's database, and what it leaves alone."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from embedstack.deploy import secrets
from embedstack.deploy.places import Places
from embedstack.deploy.webui import new_password

TABLES = """
CREATE TABLE user (id TEXT, email TEXT, role TEXT, created_at INTEGER);
CREATE TABLE auth (id TEXT, email TEXT, password TEXT, active INTEGER, mfa TEXT, session_stamp TEXT);
INSERT INTO user VALUES ('1', 'admin@localhost', 'admin', 1), ('2', 'one@localhost', 'user', 2);
INSERT INTO auth VALUES ('1', 'admin@localhost', 'old', 0, NULL, 'stamp'), ('2', 'one@localhost', 'kept', 1, NULL, 's');
"""


@pytest.fixture(autouse=True)
def _bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Open WebUI's Python has it."""
    hashed = SimpleNamespace(hashpw=lambda password, _: b"hash of " + password, gensalt=lambda: b"")
    monkeypatch.setitem(sys.modules, "bcrypt", hashed)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "webui.db", isolation_level=None)) as connection:
        connection.executescript(TABLES)
        yield connection


def _change(folder: Path, email: str = "admin@localhost") -> dict[str, object]:
    return new_password.change(str(folder / "webui.db"), email, "new")


def _account(database: sqlite3.Connection, user: str) -> tuple[object, ...]:
    found: tuple[object, ...] = database.execute(
        "SELECT password, active, session_stamp, mfa FROM auth WHERE id = ?", (user,)
    ).fetchone()
    return found


def test_the_password_changes_and_every_session_ends(database: sqlite3.Connection, tmp_path: Path) -> None:
    """As when it is changed in Open WebUI: another stamp; the account counts again; nobody else's is touched."""
    reported = _change(tmp_path, "Admin@LOCALHOST")
    password, active, stamp, _ = _account(database, "1")

    assert reported == {"changed": True, "second_factor": False}
    assert (password, active) == ("hash of new", 1)
    assert stamp != "stamp"
    assert _account(database, "2") == ("kept", 1, "s", None)


def test_a_second_factor_stays_and_its_open_challenges_go(database: sqlite3.Connection, tmp_path: Path) -> None:
    """A lost password says nothing of a lost second factor."""
    database.execute("UPDATE auth SET mfa = ? WHERE id = '1'", (json.dumps({"secret": "s", "reset_ticket": {"a": 1}}),))
    reported = _change(tmp_path)

    assert reported["second_factor"]
    assert json.loads(str(_account(database, "1")[3])) == {
        "secret": "s",
        "reset_ticket": None,
        "login_challenge": None,
        "manage_challenge": None,
    }


@pytest.mark.parametrize("email", ["nobody@localhost", "one@localhost"])
def test_only_an_administrator_gets_one(database: sqlite3.Connection, tmp_path: Path, email: str) -> None:
    """For an account that is none, or no administrator's, those who are named."""
    assert _change(tmp_path, email) == {"error": "account", "admins": ["admin@localhost"]}
    assert _account(database, "1")[0] == "old"


def test_a_locked_database_changes_nothing(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes to it for longer than one waits."""
    monkeypatch.setattr(new_password, "PATIENCE", 0.05)
    database.execute("BEGIN IMMEDIATE")
    reported = _change(tmp_path)
    database.execute("ROLLBACK")

    assert (reported["error"], reported["reported"]) == ("database", "database is locked")
    assert _account(database, "1")[0] == "old"


def test_a_table_that_is_not_known_is_left_alone(tmp_path: Path) -> None:
    """An older Open WebUI has no stamp: its sessions would go on."""
    with closing(sqlite3.connect(tmp_path / "webui.db")) as connection:
        connection.execute("CREATE TABLE auth (id TEXT, password TEXT)")

    assert _change(tmp_path)["error"] == "unknown"


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Open WebUI would take an empty one for its own."""
    assert _change(tmp_path)["error"] == "database"
    assert not (tmp_path / "webui.db").exists()


def test_the_new_password_is_kept_with_the_other_secrets(tmp_path: Path) -> None:
    """`config secrets` tells it; the others stay as they are, and the file is its user's alone."""
    where = Places(tmp_path / "stack")
    before = secrets.ensure(where, print)
    secrets.change(where, "webui_admin_password", "new", print)
    after = secrets.read(where, print)

    assert after.webui_admin_password == "new"  # noqa: S105
    assert (after.webui_secret_key, after.bridge_key) == (before.webui_secret_key, before.bridge_key)
    assert where.secrets.stat().st_mode & 0o777 == 0o600
