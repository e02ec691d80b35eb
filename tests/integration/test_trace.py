"""The trace of a bridge that runs: what it tells, to whom, and what never stands in it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from typer.testing import CliRunner, Result

from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.cli.app import app
from embedstack.deploy.errors import PartNotReady
from tests.bridge_process import Bridge, bridge
from tests.stack_command import EMBEDSTACK

ADMIN = "admin-key-of-the-test"
DEMO = ("--demo", "--set", "engine.threads=1")
AS_WEBUI = {"User-Agent": "Python/3.11 aiohttp/3.14.5"}
SENTENCE = "a sentence that nobody else shall read"
ADMIN_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/trace", None),
    ("GET", "/v1/cache", None),
    ("DELETE", "/v1/cache", None),
    ("PUT", "/v1/index", {"fingerprint": None}),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Bridge]:
    """With an admin key, five records, and a cache."""
    settings = ("security.admin_key=" + ADMIN, "trace.records=5")
    with bridge(*DEMO, *(part for setting in settings for part in ("--set", setting)), cached=True) as started:
        yield started


@pytest.fixture(scope="module")
def bridge_without_keys() -> Iterator[Bridge]:
    """One that keeps texts, and asks nobody for a key."""
    with bridge(*DEMO, "--set", "trace.text=true") as started:
        yield started


@pytest.fixture
def api(running: Bridge) -> Iterator[BridgeApi]:
    with BridgeApi(running.url, ADMIN) as asked:
        yield asked


def _last(api: BridgeApi) -> int:
    found = api.trace(0)
    return found[-1].seq if found else 0


def _run(*arguments: str) -> Result:
    return CliRunner(env={"EMBEDSTACK_KEY": ADMIN, "EMBEDSTACK_HOME": "/nowhere"}).invoke(app, ["trace", *arguments])


def test_each_request_is_reported(running: Bridge, api: BridgeApi) -> None:
    """Door, client, role and what said it, texts, tokens, size, cache: of each request, in their order."""
    before = _last(api)
    running.post("/api/embed", {"model": "demo", "input": ["病假"], "input_type": "query"})
    running.post("/api/embed", {"model": "demo@64", "input": ["一", "二"]}, headers={"X-OpenWebUI-User-Id": "7"})
    running.post("/v1/embeddings", {"model": "demo@query", "input": ["病假"], "encoding_format": "base64"})
    running.post("/v1/embeddings", {"model": "none", "input": ["x"]}, headers={"X-Embed-Task": "query"})

    first, second, third, fourth = api.trace(before)
    assert [record.seq for record in (first, second, third, fourth)] == list(range(before + 1, before + 5))
    assert (first.door, first.client, first.user, first.model) == ("ollama", "127.0.0.1", "", "demo")
    assert (first.role, first.source, first.texts, first.bytes) == ("query", "body input_type", 1, 6)
    assert (first.dimensions, first.miss, first.hit, first.status, first.code) == (2560, 1, 0, 200, "")
    assert min(first.tokens, first.engine_ms, first.encode_ms, first.answer_bytes) > 0
    assert (second.role, second.source, second.dimensions, second.user) == ("document", "default", 64, "7")
    assert (third.door, third.source, third.hit, third.miss) == ("openai", "model alias", 1, 0)
    assert (fourth.status, fourth.code, fourth.role) == (404, "model_not_found", "")


def test_only_so_many_are_kept(running: Bridge, api: BridgeApi) -> None:
    """`trace.records` of them; `after` and `limit` choose among those, and what is not a number is a 400."""
    running.embed("a")
    for _ in range(7):
        running.embed("a")

    assert len(api.trace(0)) == 5
    last = _last(api)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    answer = requests.get(f"{running.url}/v1/trace?after={last - 3}&limit=2", headers=headers, timeout=10).json()
    assert ([record["seq"] for record in answer["records"]], answer["next"]) == ([last - 2, last - 1], last - 1)
    for query in ("after=x", "limit=-1", "after=9999999999999999"):
        refused = requests.get(f"{running.url}/v1/trace?{query}", headers=headers, timeout=10)
        assert (refused.status_code, refused.headers["X-Embed-Error"]) == (400, "invalid_range")


def test_a_text_is_never_kept_unasked(running: Bridge) -> None:
    """Neither what was embedded, nor an instruction, nor what was refused."""
    running.embed(SENTENCE)
    running.post("/api/embed", {"model": "demo", "input": SENTENCE, "instruction": SENTENCE})
    running.post("/api/embed", {"model": "demo", "input": [[SENTENCE]]})
    running.post("/api/embed", {"model": "demo", "input": "x", "input_type": SENTENCE})

    reported = requests.get(f"{running.url}/v1/trace", headers={"X-Api-Key": ADMIN}, timeout=10).text
    assert len(json.loads(reported)["records"]) == 5
    assert SENTENCE not in reported
    assert SENTENCE not in _run("--url", running.url, "--once").output


def test_only_the_administrator_may_look_also_on_this_machine(running: Bridge) -> None:
    """Without the key, or with a wrong one, no route of an administrator is open; embedding is, without any key."""
    for method, path, body in ADMIN_ROUTES:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Api-Key": ADMIN[:-1]}):
            answer = requests.request(method, running.url + path, json=body, headers=headers, timeout=10)
            assert (answer.status_code, answer.headers["X-Embed-Error"]) == (403, "not_admin")
        answer = requests.request(
            method, running.url + path, json=body, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=10
        )
        assert answer.status_code == 200, answer.text
    running.embed("a")
    with BridgeApi(running.url, None) as stranger, pytest.raises(PartNotReady, match="administrator's key"):
        stranger.trace(0)


def test_a_page_reads_no_trace_without_a_key(bridge_without_keys: Bridge) -> None:
    """Nor any other route of an administrator, though it may embed, as with Ollama; a program on this machine may."""
    page = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}
    url = bridge_without_keys.url
    embedded = requests.post(f"{url}/api/embed", json={"model": "demo", "input": SENTENCE}, headers=page, timeout=60)
    assert embedded.status_code == 200

    for method, path, body in ADMIN_ROUTES:
        for headers in (page, {"Sec-Fetch-Site": "none"}, {"X-Forwarded-For": "127.0.0.1"}, {"Via": "1.1 proxy"}):
            answer = requests.request(method, url + path, json=body, headers=headers, timeout=10)
            assert (answer.status_code, answer.headers["X-Embed-Error"]) == (403, "not_admin")
            assert SENTENCE not in answer.text
            assert "security.admin_key_file" in answer.text
        assert requests.request(method, url + path, json=body, timeout=10).status_code == 200


@pytest.mark.thorough
def test_the_admin_key_opens_what_asks_for_keys() -> None:
    """Where clients need a key, the administrator's is one; theirs opens no route of his, unless it says admin."""
    keys = "security.api_keys=[{name: app, key: app-key}, {name: root, key: root-key, admin: true}]"
    with bridge(*DEMO, "--set", keys, "--set", f"security.admin_key={ADMIN}") as keyed:
        for key, status in ((ADMIN, 200), ("root-key", 200), ("app-key", 403), ("none", 401)):
            answer = requests.get(f"{keyed.url}/v1/trace", headers={"Authorization": f"Bearer {key}"}, timeout=10)
            assert (key, answer.status_code) == (key, status)
        keyed.post("/api/embed", {"model": "demo", "input": "a"}, headers={"X-Api-Key": "app-key"})
        with BridgeApi(keyed.url, ADMIN) as api:
            assert [record.client for record in api.trace(0)] == ["app"]
            assert api.index("demo").dimensions == 2560


def test_texts_and_the_line_on_roles(bridge_without_keys: Bridge) -> None:
    """With `trace.text` their beginning is shown; and fifty texts of Open WebUI without a role are one line in the log,
    which the metrics tell too.
    """
    started = bridge_without_keys
    with BridgeApi(started.url, None) as api:
        before, known = _last(api), api.roles()
        started.embed(SENTENCE)
        for _ in range(3):
            started.post("/api/embed", {"model": "demo", "input": ["x"] * 25}, headers=AS_WEBUI)
        assert [record.input for record in api.trace(before)][:1] == [(SENTENCE,)]
        assert (known, api.roles()) == ({}, {"default": 75})
    assert SENTENCE in _run("--url", started.url, "--once").output
    assert len(re.findall("never said which are questions", started.log.read_text())) == 1


@pytest.mark.thorough
def test_no_trace_at_all() -> None:
    """With `trace.records=0` nothing is kept, and the command says that there is nothing."""
    with bridge(*DEMO, "--set", "trace.records=0") as started:
        started.embed("a")
        assert requests.get(f"{started.url}/v1/trace", timeout=10).json() == {"records": [], "next": 0}
        assert "no vectors since its start" in _run("--url", started.url, "--once").output


def test_the_command_tells_people_and_scripts(running: Bridge, api: BridgeApi) -> None:
    """A line a request below its head, or one document; a bridge that is not there is an error of the fourth kind."""
    running.post("/api/embed", {"model": "demo", "input": ["年假"], "input_type": "query"})

    answer = _run("--url", running.url, "--once", "--last", "1").stdout.splitlines()
    assert answer[0].split()[:4] == ["time", "door", "client", "model"]
    assert re.search(
        r"ollama +127\.0\.0\.1 +demo +query +body input_type +1 +\d+ +6 +2560 +(hit|miss) .* 200$", answer[1]
    )
    document = json.loads(_run("--url", running.url, "--once", "--last", "2", "--json").stdout)
    assert [record["seq"] for record in document["data"]["records"]] == [_last(api) - 1, _last(api)]
    assert _run("--url", "http://127.0.0.1:9", "--once").exit_code == 4


def test_following_tells_each_as_it_comes_and_ends_well(running: Bridge) -> None:
    """An object a line for scripts, while it runs; Ctrl-C is its good end."""
    argv = [*EMBEDSTACK, "trace", "--url", running.url, "--last", "0", "--json"]
    environment = {**os.environ, "EMBEDSTACK_KEY": ADMIN}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for _ in range(120):
                running.embed("while it looks")
                if select.select([process.stdout], [], [], 0.5)[0]:
                    break
            record = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert (record["door"], record["role"], process.returncode) == ("ollama", "document", 0)
