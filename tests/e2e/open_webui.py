"""A real Open WebUI on a free port, with a data folder and an administrator of its own, and its API for a test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from embedstack.deploy.settings import WebuiSettings
from embedstack.deploy.webui.install import environment
from tests.engines.process import free_port, process, wait_until_ready

EMAIL, PASSWORD = "admin@localhost", "not-a-secret-of-anybody"
SECRET = PASSWORD
"""With which its tokens are signed: one that it gave out counts after a restart, too."""
READY = 180.0  # seconds
ANSWER = 180.0  # seconds


@dataclass
class OpenWebui:
    """A running Open WebUI, asked as its administrator."""

    url: str
    session: requests.Session = field(default_factory=requests.Session, repr=False)
    log: Path | None = None
    pid: int | None = None

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        self.session.trust_env = False
        answer = self.ask("POST", "/api/v1/auths/signin", {"email": email, "password": password})
        self.session.headers["Authorization"] = f"Bearer {answer['token']}"

    @property
    def token(self) -> str:
        return str(self.session.headers["Authorization"]).removeprefix("Bearer ")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Its answer; AssertionError for one that is not a success."""
        answer = self.session.request(method, self.url + path, json=body, timeout=ANSWER)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def upload(self, name: str, data: bytes, *, knowledge: str | None = None) -> str:
        """A file, waited for until it is processed; its id. AssertionError with the reason where it failed."""
        answer = self.session.post(
            f"{self.url}/api/v1/files/?process=true&process_in_background=false",
            files={"file": (name, data)},
            timeout=ANSWER,
        )
        assert answer.ok, answer.text[:500]
        file = str(answer.json()["id"])
        reply = self.ask("GET", f"/api/v1/files/{file}")["data"]
        assert reply.get("status") == "completed", reply.get("error")
        if knowledge:
            self.ask("POST", f"/api/v1/knowledge/{knowledge}/file/add", {"file_id": file})
        return file

    def knowledge(self, name: str) -> str:
        """A new knowledge base's id."""
        made = self.ask("POST", "/api/v1/knowledge/create", {"name": name, "description": f"about {name}"})
        return str(made["id"])

    def found(self, knowledge: str, query: str, k: int = 3) -> list[str]:
        """The texts of the chunks that a question finds, the best first."""
        body = {"collection_names": [knowledge], "query": query, "k": k}
        answer = self.ask("POST", "/api/v1/retrieval/query/collection", body)
        return [str(text) for text in answer["documents"][0]]

    def close(self) -> None:
        self.session.close()


@contextmanager
def open_webui(
    data: Path, embed_url: str, *, soft_files: int | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[OpenWebui]:
    """Open WebUI with `data` as its folder and the bridge at `embed_url`, signed in, until the block ends.

    `environ` is added to its environment; a value of "" takes the variable away.
    """
    program = environment(WebuiSettings()).program
    assert program.exists(), f"{program} is not there; `python -m tests.e2e.install` makes it"
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env = {
        **kept,
        "DATA_DIR": str(data),
        "WEBUI_SECRET_KEY": SECRET,
        "WEBUI_ADMIN_EMAIL": EMAIL,
        "WEBUI_ADMIN_PASSWORD": PASSWORD,
        "ENABLE_OPENAI_API": "False",
        "ENABLE_OLLAMA_API": "False",
        "OFFLINE_MODE": "True",
        "RAG_EMBEDDING_ENGINE": "ollama",
        "RAG_EMBEDDING_MODEL": "demo",
        "RAG_OLLAMA_BASE_URL": embed_url,
        "RAG_EMBEDDING_PREFIX_FIELD_NAME": "input_type",
        "RAG_EMBEDDING_QUERY_PREFIX": "query",
        "RAG_EMBEDDING_CONTENT_PREFIX": "document",
        "ANONYMIZED_TELEMETRY": "False",
        "DO_NOT_TRACK": "True",
        "SCARF_NO_ANALYTICS": "True",
        **(environ or {}),
    }
    env = {name: value for name, value in env.items() if value != ""}
    data.mkdir(parents=True, exist_ok=True)
    log = data / "open-webui.log"
    serve = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    limited = serve if soft_files is None else ["sh", "-c", f'ulimit -S -n {soft_files}; exec "$@"', "sh", *serve]
    url = f"http://127.0.0.1:{port}"
    with process(limited, env=env, log=log) as child:
        wait_until_ready(child, f"{url}/ready", seconds=READY, log=log)
        webui = OpenWebui(url, log=log, pid=child.pid)
        try:
            webui.sign_in()
            yield webui
        finally:
            webui.close()
