"""A Hub of the tests' own, with a CDN at another address. It speaks the real one's protocol to the real library.

As huggingface.co answers: a large file is a redirect to the CDN, with X-Repo-Commit, X-Linked-Etag (its sha256) and
X-Linked-Size; a small one is there itself, with git's id for an ETag; what is missing has an X-Error-Code.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.hub.content import Content, Small
from tests.upstreams.server import Connection, Request, serve

REPOSITORY, REVISION = "Qwen/Toy-GGUF", "f4602530db1d980e16da9d7d3a70294cf5c190be"


@dataclass(frozen=True)
class Asked:
    """One request and what of the file went out for it, as [begin, end)."""

    method: str
    path: str
    status: int
    authorization: str | None
    begin: int = 0
    end: int = 0


@dataclass
class Hub:
    """What is there, and what goes wrong.

    Attributes:
        cuts: places in a file, in order, at which the connection ends once each.
        stall: where the CDN stops sending, and keeps the connection.
        reset: cut by RST, as a server that is killed does, instead of FIN.
        refusals: statuses and headers of the answers to the next requests, before all else.
        spoilt: a file of which one byte is wrong on its way.
        token: what a request must have to see anything.
        bare: as some mirrors answer: no headers of the Hub, no redirect, no ranges.
    """

    files: dict[str, Content | Small]
    repository: str = REPOSITORY
    revision: str = REVISION
    cuts: deque[int] = field(default_factory=deque)
    stall: int | None = None
    reset: bool = False
    refusals: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    token: str | None = None
    bare: bool = False
    spoilt: str | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    cdn: str = ""

    @property
    def served(self) -> list[tuple[int, int]]:
        """The ranges of large files that went out, in order."""
        return [(asked.begin, asked.end) for asked in self.asked if asked.end > asked.begin]

    async def answer(self, request: Request, connection: Connection) -> None:
        """As the Hub."""
        if self.refusals:
            status, headers = self.refusals.popleft()
            return await self._refuse(request, connection, status, **headers)
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return await self._refuse(request, connection, 401, X_Error_Code="GatedRepo")
        if request.path.startswith("/api/models/"):
            return await self._tree(request, connection)
        return await self._resolve(request, connection)

    async def answer_cdn(self, request: Request, connection: Connection) -> None:
        """As the CDN: a file by its digest."""
        contents = {f.sha256: (name, f) for name, f in self.files.items() if isinstance(f, Content)}
        name, content = contents[request.path.lstrip("/")]
        await self._send(request, connection, replace(content, flipped=1) if name == self.spoilt else content)

    async def _resolve(self, request: Request, connection: Connection) -> None:
        repository, _, rest = request.path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if repository != self.repository:
            return await self._refuse(request, connection, 404, X_Error_Code="RepoNotFound")
        if revision != self.revision:
            return await self._refuse(request, connection, 404, X_Error_Code="RevisionNotFound")
        if name not in self.files:
            return await self._refuse(request, connection, 404, X_Error_Code="EntryNotFound")
        file = self.files[name]
        if isinstance(file, Small):
            return await self._small(request, connection, file, file.data if name != self.spoilt else file.data[::-1])
        if self.bare:
            return await self._send(request, connection, file)
        return await self._redirect(request, connection, file)

    async def _redirect(self, request: Request, connection: Connection, file: Content) -> None:
        headers = {
            "Location": f"{self.cdn}/{file.sha256}",
            "X_Repo_Commit": self.revision,
            "X_Linked_Etag": f'"{file.sha256}"',
            "X_Linked_Size": str(file.size),
        }
        self._note(request, 302)
        await connection.head(302, 0, **headers)

    async def _small(self, request: Request, connection: Connection, file: Small, data: bytes) -> None:
        self._note(request, 200)
        await connection.head(200, file.size, ETag=f'"{file.git_id}"', X_Repo_Commit=self.revision)
        if request.method == "GET":
            await connection.write(data)

    async def _send(self, request: Request, connection: Connection, file: Content) -> None:
        """The file, or the range asked for, up to the next cut."""
        asked = request.headers.get("range") if not self.bare else None
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        ranged = {"Content_Range": f"bytes {begin}-{file.size - 1}/{file.size}"} if asked else {}
        await connection.head(206 if asked else 200, file.size - begin, "application/octet-stream", **ranged)
        if request.method == "HEAD":
            return self._note(request, 200)
        cut = self.cuts.popleft() if self.cuts and begin <= self.cuts[0] < file.size else None
        end = min(file.size if cut is None else cut, self.stall or file.size)
        self._note(request, 206 if asked else 200, begin, end)
        for piece in file.pieces(begin, end):
            await connection.write(piece)
        if self.stall is not None:
            await asyncio.Event().wait()
        if cut is None:
            return None
        return connection.reset() if self.reset else connection.close()

    async def _tree(self, request: Request, connection: Connection) -> None:
        wanted = f"/api/models/{self.repository}/tree/{self.revision}"
        if request.path.partition("?")[0] != wanted:
            return await self._refuse(request, connection, 404, X_Error_Code="RepoNotFound")
        self._note(request, 200)
        entries = [_entry(name, file) for name, file in self.files.items()]
        return await connection.answer(200, json.dumps(entries).encode())

    async def _refuse(self, request: Request, connection: Connection, status: int, **headers: str) -> None:
        self._note(request, status)
        body = b"" if request.method == "HEAD" else b'{"error":"refused"}'
        await connection.answer(status, body, **headers)

    def _note(self, request: Request, status: int, begin: int = 0, end: int = 0) -> None:
        who = request.headers.get("authorization")
        self.asked.append(Asked(request.method, request.path, status, who, begin, end))


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """`hub`, answering at `hub.url` until the block ends."""
    with serve(hub.answer) as url, serve(hub.answer_cdn) as cdn:
        hub.url, hub.cdn = url, cdn
        yield hub


def _entry(name: str, file: Content | Small) -> dict[str, object]:
    """A file in the answer to /api/models/…/tree/…"""
    if isinstance(file, Small):
        return {"type": "file", "path": name, "size": file.size, "oid": file.git_id}
    lfs = {"oid": file.sha256, "size": file.size, "pointerSize": 135}
    return {"type": "file", "path": name, "size": file.size, "oid": "0" * 40, "lfs": lfs}
