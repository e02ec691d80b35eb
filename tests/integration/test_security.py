"""Who may ask: Host, Origin and keys; and what never appears in a log, an answer or the printed configuration."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start
from tests.engines.process import free_port
from tests.integration.doors import EMBED, EVERY, OPENAI, Door, name, refusal

GET_PATHS = ("/", "/healthz", "/readyz", "/metrics", "/api/tags", "/api/ps", "/api/version", "/v1/models")
OPEN_PATHS = ("/", "/healthz", "/readyz")
ALLOWED_HOST, ALLOWED_ORIGIN = "embeddings.example.org", "https://chat.example.org"
FIRST, SECOND, FROM_FILE = "first-key-4f1d", "second-key-9c2a", "schlüssel-7b3e"
SECRETS = (FIRST, SECOND, "7b3e", "not-a-key-51d0")


def is_openai(path: str) -> bool:
    return path.startswith("/v1/") or path == "/embeddings"


# --- Host ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge with keys, allowed hosts and origins, that logs everything it can."""
    file = tmp_path_factory.mktemp("keys") / "key"
    file.write_text(FROM_FILE + "\n", encoding="utf-8")
    keys = f"[{FIRST}, {{name: laptop, key_env: LAPTOP_KEY}}, {{name: webui, key_file: {file}}}]"
    settings = {
        "security.api_keys": keys,
        "security.allowed_hosts": f"{ALLOWED_HOST}, *.internal",
        "security.allowed_origins": f"{ALLOWED_ORIGIN}/, chrome-extension://*, https://*.pages.example",
        "log.level": "debug",
    }
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with start("--demo", *arguments, env={"LAPTOP_KEY": SECOND}) as running:
        yield running
        log = running.log.read_text(errors="replace")
        assert "Traceback" not in log
        assert [secret for secret in SECRETS if secret in log] == []


def get(bridge: Bridge, path: str, **headers: str) -> requests.Response:
    return requests.get(bridge.url + path, headers=headers, timeout=60)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost:1", "localhost.", "demo.localhost:11435", "127.0.0.1", "127.9.9.9:80"),
        *("[::1]", "[::1]:11435", socket.gethostname(), f"{socket.gethostname().upper()}:11435"),
        *("172.17.0.1:11435", "192.168.1.5", "0.0.0.0:80", "8.8.8.8", "[fe80::1%25eth0]:11435", "[::ffff:1.2.3.4]"),
        *("host.docker.internal:11435", "host.containers.internal"),
    ],
)
def test_this_machines_names_are_taken(bridge: Bridge, host: str) -> None:
    """Loopback in every spelling, any port (it may be forwarded), the machine's own name, what containers call it, and
    any address, which nobody can rebind.
    """
    for path in ("/api/version", "/readyz"):
        assert get(bridge, path, Host=host).status_code == 200


def raw(bridge: Bridge, head: str) -> bytes:
    """The whole answer to a request whose head is written as it stands."""
    at = urlsplit(bridge.url)
    with socket.create_connection((str(at.hostname), at.port or 0), timeout=60) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"Connection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("path", OPEN_PATHS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_probe_needs_no_host(bridge: Bridge, path: str, version: str) -> None:
    """Load balancers send none, and no page can leave it out."""
    assert raw(bridge, f"GET {path} HTTP/{version}\n").startswith(b"HTTP/1.1 200")


def test_elsewhere_http_1_1_asks_for_a_host_and_http_1_0_knows_none(bridge: Bridge) -> None:
    """A 400 by RFC 9112, with what to do; the same in HTTP/1.0 is answered."""
    answer = raw(bridge, "GET /api/tags HTTP/1.1\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"x-embed-error: host_missing" in answer.lower()
    assert b"Send one" in answer
    assert raw(bridge, "GET /api/tags HTTP/1.0\n").startswith(b"HTTP/1.1 200")


def test_two_hosts_are_none(bridge: Bridge) -> None:
    """Whichever comes first: another reader on the way may have taken the other."""
    for first, second in (("localhost", "evil.example"), ("evil.example", "localhost")):
        answer = raw(bridge, f"GET /healthz HTTP/1.1\nHost: {first}\nHost: {second}\n")
        assert answer.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:11435", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost"),
        *(
            "localhost@evil.example",
            "evil.example#localhost",
            "2130706433",
            "0x7f.1",
            "127.0.0.1.",
            "127.0.0.1:99999",
            "user@127.0.0.1",
            "host.docker.internal.evil.example",
            "",
            ALLOWED_HOST,
        ),
    ],
)
def test_a_foreign_host_is_refused_at_every_door(bridge: Bridge, host: str) -> None:
    """A page whose name was rebound to this address sends that name; it learns nothing, not even whether we live."""
    for path in (*GET_PATHS, *(door.path for door in EVERY), "/nothing"):
        response = requests.request(
            "GET" if path in GET_PATHS else "POST", bridge.url + path, headers={"Host": host}, json={}, timeout=60
        )
        refused = refusal(response, openai=is_openai(path))

        assert (refused.status, refused.code) == (403, "host_not_allowed")
        assert f"The Host {host!r} is not" in refused.message
        assert "security.allowed_hosts" in refused.message
        assert "access-control-allow-origin" not in response.headers


def test_a_configured_host_is_taken(guarded: Bridge) -> None:
    """With any port, in any case; its subdomains are other hosts."""
    for host, status in (
        (ALLOWED_HOST, 200),
        (f"{ALLOWED_HOST.upper()}:8443", 200),
        (f"x.{ALLOWED_HOST}", 403),
        (f"{ALLOWED_HOST}.evil.example", 403),
        ("bridge.internal:11435", 200),
        ("a.b.internal", 200),
        ("internal", 403),
    ):
        assert get(guarded, "/healthz", Host=host).status_code == status


# --- Origin -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", EVERY, ids=name)
@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://localhost.evil.example", "https://127.0.0.1.evil.example:443", "null"),
        *("file://", "ftp://localhost", "chrome-extension://abcdef", "localhost", "", ALLOWED_ORIGIN),
    ],
)
def test_a_foreign_page_is_refused(bridge: Bridge, door: Door, origin: str) -> None:
    """Before anything is embedded; a form post needs no preflight, so the request itself must fail."""
    response = requests.post(
        bridge.url + door.path,
        data=b'{"model":"demo","input":"x","prompt":"x"}',
        headers={"Origin": origin, "Content-Type": "text/plain"},
        timeout=60,
    )
    refused = door.refused(response)

    assert (refused.status, refused.code) == (403, "origin_not_allowed")
    assert f"Web pages from {origin!r}" in refused.message
    assert "security.allowed_origins" in refused.message
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "http://[::1]:5173"]
)
def test_a_page_on_this_machine_may_call(bridge: Bridge, origin: str) -> None:
    """As with Ollama; it may read the answer and the headers that matter."""
    response = requests.post(bridge.url + "/api/embed", json=EMBED.body("x"), headers={"Origin": origin}, timeout=60)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in response.headers["Vary"]
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert all(header in exposed for header in ("X-Embed-Error", "X-Embed-Truncated", "X-Embed-Ignored"))


def test_a_page_may_read_why_it_was_refused(bridge: Bridge) -> None:
    """Errors carry the permission too."""
    headers = {"Origin": "http://localhost:3000"}
    response = requests.post(bridge.url + "/v1/embeddings", data=b"{", headers=headers, timeout=60)

    assert OPENAI.refused(response).code == "invalid_json"
    assert response.headers["Access-Control-Allow-Origin"] == headers["Origin"]


def test_without_an_origin_nothing_is_said_of_origins(bridge: Bridge) -> None:
    """A client that is not a browser is not bothered."""
    assert not [header for header in get(bridge, "/api/tags").headers if header.lower().startswith("access-control")]


def preflight(
    bridge: Bridge, origin: str, path: str = "/v1/embeddings", asks: str = "authorization"
) -> requests.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asks}
    return requests.options(bridge.url + path, headers=headers, timeout=60)


def test_a_preflight_is_answered_for_an_allowed_page(guarded: Bridge) -> None:
    """Without a key, which a browser never sends with it, and for whatever headers an SDK adds."""
    asks = "authorization,content-type,x-embed-task,x-stainless-os,openai-beta"
    for origin in (ALLOWED_ORIGIN, "http://localhost:3000"):
        for door in EVERY:
            response = preflight(guarded, origin, door.path, asks)

            assert (response.status_code, response.content) == (204, b"")
            assert response.headers["Access-Control-Allow-Origin"] == origin
            assert "POST" in response.headers["Access-Control-Allow-Methods"]
            assert response.headers["Access-Control-Allow-Headers"] == asks


def test_a_preflight_of_a_foreign_page_is_refused(guarded: Bridge) -> None:
    """And gets no permission of any kind."""
    for origin in ("https://evil.example", "moz-extension://abcdefghijklmnop", "https://pages.example", "null"):
        response = preflight(guarded, origin)

        assert OPENAI.refused(response).code == "origin_not_allowed"
        assert not [header for header in response.headers if header.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "origin",
    [ALLOWED_ORIGIN, ALLOWED_ORIGIN.upper(), "chrome-extension://abcdefghijklmnop", "https://a.b.pages.example"],
)
def test_an_allowed_page_may_call_with_a_key(guarded: Bridge, origin: str) -> None:
    """And not without: the origin stands for the page, the key for the person."""
    headers = {"Origin": origin}
    refused = requests.post(guarded.url + "/v1/embeddings", json=OPENAI.body("x"), headers=headers, timeout=60)
    assert OPENAI.refused(refused).code == "unauthorized"
    assert refused.headers["Access-Control-Allow-Origin"] == origin

    headers["Authorization"] = f"Bearer {FIRST}"
    taken = requests.post(guarded.url + "/v1/embeddings", json=OPENAI.body("x"), headers=headers, timeout=60)
    assert taken.status_code == 200


# --- keys ---------------------------------------------------------------------------------------------------------


def with_key(key: str) -> dict[str, str | bytes]:
    return {"Authorization": f"Bearer {key}".encode()}


@pytest.mark.parametrize(
    "headers",
    [
        with_key(FIRST),
        with_key(SECOND),
        with_key(FROM_FILE),
        {"Authorization": f"bearer  {FIRST} "},
        {"X-Api-Key": FIRST},
        {"Authorization": "Basic eDp5", "X-Api-Key": SECOND},
    ],
    ids=["text", "variable", "file", "spelling", "x-api-key", "beside basic"],
)
def test_each_key_opens_every_door(guarded: Bridge, headers: Mapping[str, str | bytes]) -> None:
    """From the configuration, the environment or a file; in the header of OpenAI's clients or in X-Api-Key."""
    for door in EVERY:
        response = requests.post(guarded.url + door.path, json=door.body("x"), headers=headers, timeout=60)
        assert response.status_code == 200, response.text[:300]
    for path in GET_PATHS:
        assert requests.get(guarded.url + path, headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "This service asks for an API key."),
        ({"Authorization": "Bearer"}, "This service asks for an API key."),
        ({"Authorization": "Bearer not-a-key-51d0"}, "No valid API key was sent."),
        ({"Authorization": f"Bearer {FIRST}x"}, "No valid API key was sent."),
        ({"Authorization": f"Bearer {FIRST[:-1]}"}, "No valid API key was sent."),
        ({"Authorization": f"Bearer {FIRST.upper()}"}, "No valid API key was sent."),
        ({"Authorization": FIRST}, "This service asks for an API key."),
        ({"Authorization": f"Basic {FIRST}"}, "This service asks for an API key."),
        ({"X-Api-Key": "not-a-key-51d0"}, "No valid API key was sent."),
        ({"X-Api-Key": "key1"}, "No valid API key was sent."),
        ({"Authorization": b"Bearer \xff\xfe"}, "No valid API key was sent."),
        ({"Cookie": f"key={FIRST}"}, "This service asks for an API key."),
    ],
    ids=lambda value: str(value)[:50],
)
def test_without_a_key_every_door_but_the_probes_is_shut(
    guarded: Bridge, headers: Mapping[str, str | bytes], said: str
) -> None:
    """In the door's own shape, with the challenge that HTTP asks for, before the body is looked at."""
    for path in (*GET_PATHS, *(door.path for door in EVERY), "/nothing", "//api/tags/"):
        method = "GET" if path in GET_PATHS or path.startswith("//") else "POST"
        response = requests.request(method, guarded.url + path, headers=headers, data=b"{", timeout=60)
        if path in OPEN_PATHS:
            assert response.status_code == 200
            continue
        refused = refusal(response, openai=is_openai(path))

        assert (refused.status, refused.code) == (401, "unauthorized")
        assert refused.message == f"{said} Send `Authorization: Bearer KEY` with a key from security.api_keys."
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_in_the_address_does_not_count(guarded: Bridge) -> None:
    """Addresses end up in logs and histories."""
    assert get(guarded, f"/api/tags?key={FIRST}&api_key={FIRST}").status_code == 401


def test_without_configured_keys_none_is_asked_for(bridge: Bridge) -> None:
    """A key that a client sends anyway, as ollama-python and openai-python do, does no harm."""
    for headers in ({}, {"Authorization": "Bearer sk-anything"}):
        response = requests.post(bridge.url + "/v1/embeddings", json=OPENAI.body("x"), headers=headers, timeout=60)
        assert response.status_code == 200


# --- what never leaves --------------------------------------------------------------------------------------------


def test_no_answer_tells_a_key(guarded: Bridge) -> None:
    """Neither the metrics nor an error says what was sent or what would be right."""
    wrong = requests.get(guarded.url + "/metrics", headers={"Authorization": "Bearer not-a-key-51d0"}, timeout=60)
    right = requests.get(guarded.url + "/metrics", headers=with_key(FIRST), timeout=60)

    for response in (wrong, right, get(guarded, "/readyz"), get(guarded, "/healthz")):
        message = response.text + str(response.headers)
        assert [secret for secret in (*SECRETS, FROM_FILE) if secret in message] == []


def test_the_log_tells_no_text_and_no_line_of_a_clients_making(guarded: Bridge) -> None:
    """At its most talkative level: no text, no vector, and a newline in a path starts no line."""
    body = EMBED.body("a text that nobody may read in a log")
    for headers in (with_key(FIRST), {}):
        requests.post(guarded.url + "/api/embed", json=body, headers=headers, timeout=60)
    get(guarded, "/x%0A12:00:00%20INFO%20forged", Authorization=f"Bearer {FIRST}")
    get(guarded, "/x%0D%1B%5B31mred", Authorization=f"Bearer {FIRST}")

    log = guarded.log.read_bytes()
    assert b"POST /api/embed 200" in log
    assert b"nobody may read" not in log
    assert b"forged" in log
    assert not [line for line in log.splitlines() if line.startswith(b"12:00:00 INFO")]
    assert b"\x1b" not in log


@pytest.fixture
def printed(tmp_path: Path) -> str:
    """What --print-config says, as text and as JSON, of secrets from every source."""
    config = tmp_path / "bridge.yaml"
    (tmp_path / "key").write_text(FROM_FILE, encoding="utf-8")
    config.write_text(
        f"security:\n  api_keys: [{FIRST}, {{name: webui, key_file: key}}]\nengine:\n  api_key: engine-key-88\n"
    )
    environment = {"PATH": os.environ["PATH"], "EMBED_BRIDGE_ENGINE_URL": "http://me:password-42@localhost:1"}
    said = ""
    for form in ([], ["--json"]):
        command = [sys.executable, "-m", "embedstack.bridge", "--config", str(config), "--print-config", *form]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        said += done.stdout + done.stderr
    return said


def test_the_printed_configuration_tells_no_secret(printed: str) -> None:
    """Of keys only that they are there, of an address only who lives there."""
    assert "security.api_keys" in printed
    assert "localhost:1" in printed
    assert [s for s in (FIRST, FROM_FILE, "7b3e", "engine-key-88", "password-42") if s in printed] == []


def test_an_engines_password_stays_between_the_two() -> None:
    """An address with a password in it is written without it: in the log, and at /readyz, which is open to all."""
    url = f"http://me:password-42@127.0.0.1:{free_port()}"
    arguments = ("--upstream", url, "--set", "model.id=demo", "--set", "log.level=debug")
    for more in (("engine.kind=ollama",), ("engine.kind=openai", "engine.api_key=engine-key-88")):
        with start(*arguments, *(part for setting in more for part in ("--set", setting)), wait_ready=False) as running:
            running.wait_state()
            until_refused = requests.get(running.url + "/readyz", timeout=60)
            assert until_refused.status_code == 503
            refused = EMBED.refused(running.post("/api/embed", EMBED.body("x")))
            output = until_refused.text + refused.message + running.log.read_text(errors="replace")

        assert "127.0.0.1" in output
        assert [secret for secret in ("password-42", "engine-key-88") if secret in output] == []
        assert "Traceback" not in output
