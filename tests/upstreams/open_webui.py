"""The settings of Open WebUI, scripted: for answers that the real one does not give on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.upstreams.server import Connection, Request, serve

UPDATE = "/api/v1/retrieval/embedding/update"


@dataclass
class Scripted:
    """What it is set to, what was sent, and what it answers in place of its own: (status, body) in turn, by path."""

    version: str = "0.12.4"
    role: str = "admin"
    is_set: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: Request, connection: Connection) -> None:
        path = request.path.partition("?")[0]
        if scripted := self.instead.get(path):
            status, text = scripted.pop(0) if len(scripted) > 1 else scripted[0]
            if status:
                await connection.answer(status, text.encode())
                return
        if path == UPDATE:
            self.updates.append(request.json())
            self.is_set = {**self.is_set, **request.json()}
        reported = json.dumps(self._answer(path)).encode()
        await connection.answer(404 if reported == b"null" else 200, reported)

    def _answer(self, path: str) -> object:
        known: Mapping[str, object] = {
            "/api/config": {"version": self.version, "features": {"enable_signup": False}},
            "/api/v1/auths/": {"role": self.role},
            "/api/v1/auths/signin": {"token": "token"},
            "/api/v1/retrieval/embedding": {"status": True, **self.is_set},
            "/api/v1/memories/": [],
            UPDATE: {"status": True},
        }
        empty = {"items": [], "total": 0, "id": "of-one-that-is-made"}
        return known.get(path, empty if path in ("/api/v1/files/", "/api/v1/knowledge/") else None)


@contextmanager
def scripted(**given: Any) -> Iterator[Scripted]:
    """One that runs until the block ends."""
    webui = Scripted(**given)
    with serve(webui.answer) as url:
        webui.url = url
        yield webui
