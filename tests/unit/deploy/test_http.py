"""How the toolkit asks the parts of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from embedstack.deploy.http import HttpServer, NoAnswer, behind_proxies, get_json

NOBODY = "http://127.0.0.1:9"
PAGES = {"/json": (200, b'{"well": true}'), "/text": (200, b"well"), "/error": (503, b'{"well": false}')}


class _Part(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/key":
            status, body = 200, str(self.headers["Authorization"]).encode()
        else:
            status, body = PAGES[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Part) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "expected"), [("/json", {"well": True}), ("/text", None), ("/error", None)])
def test_what_is_reported_is_json_that_is_well(url: str, path: str, expected: object) -> None:
    """Anything else tells nothing."""
    assert expected == get_json(url + path, 5.0)


@pytest.mark.parametrize("url", [NOBODY, "http://[::1", "http://127.0.0.1:port"])
def test_nobody_tells_nothing(url: str) -> None:
    """Nor does what is not an address."""
    assert get_json(url, 5.0) is None


def test_this_machine_is_asked_without_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: a proxy would look for the part on its own machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    assert get_json(f"{url}/json", 5.0) == {"well": True}
    with closing(HttpServer(url)) as server:
        assert server.ask("GET", "/json", timeout=5.0).json() == {"well": True}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:11434", False),
        ("http://127.0.0.2:11434", False),
        ("http://0.0.0.0:11434", False),
        ("http://gpu.example.org", True),
    ],
)
def test_another_machine_may_lie_behind_one(url: str, expected: bool) -> None:
    """That of an Ollama elsewhere."""
    assert expected == behind_proxies(url)


def test_a_key_is_sent_from_its_first_use_on(url: str) -> None:
    """Given at once, or later, as a sign-in gives it."""
    with closing(HttpServer(f"{url}/", "first")) as server:
        assert server.ask("GET", "/key", timeout=5.0).text == "Bearer first"
        server.use_key("second")
        assert server.ask("GET", "/key", timeout=5.0).text == "Bearer second"


def test_no_answer_says_why() -> None:
    """With the words of the system."""
    with closing(HttpServer(NOBODY)) as server, pytest.raises(NoAnswer, match="refused"):
        server.ask("GET", "/json", timeout=5.0)
