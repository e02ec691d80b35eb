"""The bridge knows what an index was made with, and answers nobody in another one."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.errors import PartNotReady
from tests.bridge_process import Bridge, bridge

DEMO = ("--demo", "--set", "engine.threads=1")
DOORS = ("/api/embed", "/v1/embeddings")
OTHER = "0123456789abcdef"


@pytest.fixture(scope="module")
def running() -> Iterator[Bridge]:
    with bridge(*DEMO) as started:
        yield started


@pytest.fixture
def api(running: Bridge) -> Iterator[BridgeApi]:
    """As the toolkit asks it; what it was set to expect is forgotten afterwards."""
    with BridgeApi(running.url, None) as asked:
        yield asked
        asked.expect(None, None)


def test_what_an_index_is_made_with(running: Bridge, api: BridgeApi) -> None:
    """The facts are those of the vectors; another size is another index, and the demo's documents have no prefix."""
    native, small = api.index("demo"), api.index("demo@256")

    assert native == IndexFacts(native.fingerprint, "demo", native.precision, 2560, "qwen3", "", native.served)
    assert native.served == running.post("/api/embed", {"model": "demo", "input": "a"}).headers["X-Embed-Fingerprint"]
    assert (small.dimensions, small.served) == (256, native.served)
    assert small.fingerprint != native.fingerprint
    with pytest.raises(PartNotReady, match="404"):
        api.index("another-model")


@pytest.mark.parametrize("path", DOORS)
def test_another_index_is_refused(running: Bridge, api: BridgeApi, path: str) -> None:
    """A 409 in the door's own shape says what the index was made with, what would be answered, and what to do."""
    api.expect(api.index("demo@1024").fingerprint, "demo@1024")

    refused = running.post(path, {"model": "demo", "input": ["a"], "input_type": "query"})

    assert (refused.status_code, refused.headers["X-Embed-Error"]) == (409, "index_mismatch")
    error = refused.json()["error"]
    if path == "/v1/embeddings":
        assert error["code"] == "index_mismatch"
        error = error["message"]
    for reported in ("1024 dimensions", "2560 dimensions", "name back to demo@1024", "embedstack webui reindex"):
        assert reported in error


@pytest.mark.parametrize("path", DOORS)
def test_the_same_index_is_answered(running: Bridge, api: BridgeApi, path: str) -> None:
    """Through the name that makes it; and anyone who says `dimensions` itself is none whose index is guarded."""
    api.expect(api.index("demo@1024").fingerprint, "demo@1024")

    for body in ({"model": "demo@1024"}, {"model": "demo", "dimensions": 64}):
        answer = running.post(path, {**body, "input": ["a"]})
        assert answer.status_code == 200, answer.text


def test_a_client_says_its_own_index(running: Bridge, api: BridgeApi) -> None:
    """X-Embed-Index is held against the answer even where nothing is expected and the size is asked for."""
    facts = api.index("demo@64")

    def status(index: str, dimensions: int) -> int:
        body = {"model": "demo", "input": "a", "dimensions": dimensions}
        return running.post("/api/embed", body, headers={"X-Embed-Index": index}).status_code

    assert status(facts.fingerprint, 64) == status(facts.fingerprint.upper(), 64) == 200
    assert status(facts.fingerprint, 65) == status(OTHER, 64) == 409
    assert status("no fingerprint", 64) == 400


@pytest.mark.parametrize("body", [{}, {"fingerprint": "x"}, {"fingerprint": 7}, {"fingerprint": OTHER.upper()}])
def test_what_is_no_fingerprint_is_not_expected(running: Bridge, api: BridgeApi, body: dict[str, object]) -> None:
    """A 400, and all is as it was."""
    refused = requests.put(f"{running.url}/v1/index", json=body, timeout=10)

    assert (refused.status_code, refused.headers["X-Embed-Error"]) == (400, "invalid_index")
    assert requests.get(f"{running.url}/v1/index", timeout=10).json()["expected"] is None
    assert api.index("demo").dimensions == 2560


def test_the_expectation_outlives_the_bridge(tmp_path: Path) -> None:
    """Kept in a file of its user's alone, and reported again in full; clearing the cache keeps it, null forgets it."""
    folder = ("--set", f"cache.folder={tmp_path}", "--set", "cache.disk=64 MiB")
    with bridge(*DEMO, *folder) as first, BridgeApi(first.url, None) as api:
        api.expect(api.index("demo@1024").fingerprint, "demo@1024")
        requests.delete(f"{first.url}/v1/cache", timeout=10).raise_for_status()
    assert stat.S_IMODE((tmp_path / "index.json").stat().st_mode) == 0o600

    with bridge(*DEMO, *folder) as second, BridgeApi(second.url, None) as api:
        refused = second.post("/api/embed", {"model": "demo", "input": "a"})
        assert (refused.status_code, "at f16, 1024 dimensions" in refused.text) == (409, True), refused.text
        api.expect(None, None)
        second.embed("a")
    assert not (tmp_path / "index.json").exists()


@pytest.mark.thorough
def test_the_expectation_of_the_configuration() -> None:
    """`index.fingerprint` is expected from the start, of other weights too, and nobody changes it from outside."""
    with bridge(*DEMO, "--set", f"index.fingerprint={OTHER}") as running:
        refused = running.post("/api/embed", {"model": "demo", "input": "a"})
        assert (refused.status_code, OTHER in refused.text) == (409, True)
        changed = requests.put(f"{running.url}/v1/index", json={"fingerprint": None}, timeout=10)
        assert (changed.status_code, changed.headers["X-Embed-Error"]) == (409, "index_configured")
        assert json.loads(changed.text)["error"]["code"] == "index_configured"
        running.post("/v1/embeddings", {"model": "demo", "input": "b"})
        assert running.log.read_text().count("The index was made with") == 1, "once, not for each chunk of a document"
