"""Run by Open WebUI's own Python, which has bcrypt, with what to do on standard input; never imported by ours.

Its API lets nobody change a password who does not know it, so that of a lost administrator goes into the database as
Open WebUI 0.12 writes it itself: the hash, a new stamp that ends every session, no challenge of a second factor left.
"""

import importlib
import json
import sqlite3
import sys
import uuid
from typing import Any
from urllib.parse import quote

PATIENCE = 5.0  # seconds for a lock of somebody else's
CHALLENGES = ("login_challenge", "manage_challenge", "reset_ticket")


def change(database: str, email: str, password: str) -> dict[str, Any]:
    """What came of it: `changed`, or `error` with what is to be known of it."""
    bcrypt = importlib.import_module("bcrypt")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    try:
        # mode=rw: one that is not there is not made.
        there = f"file:{quote(database)}?mode=rw"
        connection = sqlite3.connect(there, uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            reported = _change(connection, email, hashed)
            connection.execute("COMMIT" if reported.get("changed") else "ROLLBACK")
        finally:
            connection.close()
    except sqlite3.Error as error:
        return {"error": "database", "reported": str(error)}
    return reported


def _change(connection: sqlite3.Connection, email: str, hashed: str) -> dict[str, Any]:
    columns = {row[1] for row in connection.execute("PRAGMA table_info(auth)")}
    if not {"id", "password", "active", "mfa", "session_stamp"} <= columns:
        return {"error": "unknown", "reported": f"its table of accounts has {', '.join(sorted(columns)) or 'nothing'}"}
    found = "SELECT user.id, user.email, auth.mfa FROM user JOIN auth ON auth.id = user.id WHERE user.role = 'admin'"
    admins = connection.execute(f"{found} ORDER BY user.created_at").fetchall()
    mine = [row for row in admins if row[1].casefold() == email.casefold()]
    if not mine:
        return {"error": "account", "admins": [row[1] for row in admins]}
    user, _, kept = mine[0]
    factor = json.loads(kept) if kept else None
    mfa = json.dumps({**factor, **dict.fromkeys(CHALLENGES)}) if factor else kept
    values = (hashed, str(uuid.uuid4()), mfa, user)
    connection.execute("UPDATE auth SET password = ?, session_stamp = ?, mfa = ?, active = 1 WHERE id = ?", values)
    return {"changed": True, "second_factor": bool(factor and factor.get("secret"))}


if __name__ == "__main__":
    json.dump(change(**json.load(sys.stdin)), sys.stdout)
