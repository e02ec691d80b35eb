"""Nothing is computed twice, over restarts and kills; and what is kept is never handed to the wrong request."""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.upstreams.llama import llama_child
from tests.upstreams.load import wait_until
from tests.upstreams.recorder import Recorder, recorder

MODEL = ("--set", "model.id=demo", "--set", "model.precision=f16")
TEXTS = ["公司年假政策有哪些?", "annual leave", "def f(x): return x"]


@pytest.fixture(scope="module")
def recorded(demo: DemoFiles) -> Iterator[tuple[str, Recorder]]:
    """A real engine, and what it is asked for."""
    with llama_child(demo.gguf, model="demo") as url, recorder(url) as both:
        yield both


def ask(running: Bridge, *texts: str, **fields: object) -> tuple[str, np.ndarray]:
    """Where the vectors came from, and the vectors."""
    response = running.post("/api/embed", {"model": "demo", "input": list(texts), **fields})
    assert response.status_code == 200, response.text
    return response.headers["X-Embed-Cache"], np.array(response.json()["embeddings"], np.float32)


def at(folder: Path) -> tuple[str, ...]:
    return ("--set", f"cache.folder={folder}")


def test_the_second_time_is_free_and_exact(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """The same float32 values, whatever the dimension, the encoding and the door; the engine is not asked."""
    url, given = recorded
    with bridge("--upstream", url, *MODEL, *at(tmp_path), cached=True) as running:
        first, vectors = ask(running, *TEXTS)
        tokens = running.post("/api/embed", {"model": "demo", "input": TEXTS}).json()["prompt_eval_count"]
        given.clear()
        again, same = ask(running, *TEXTS)
        _, short = ask(running, *TEXTS, dimensions=64)
        base64 = running.post("/v1/embeddings", {"model": "demo", "input": TEXTS, "encoding_format": "base64"})
        mixed, _ = ask(running, *TEXTS, "a new text")

        assert (first, again, mixed) == ("miss", "hit", "hit=3, miss=1")
        assert vectors.tobytes() == same.tobytes()
        np.testing.assert_allclose(short, vectors[:, :64] / np.linalg.norm(vectors[:, :64], axis=1)[:, None], atol=1e-6)
        assert (base64.headers["X-Embed-Cache"], base64.json()["usage"]["prompt_tokens"]) == ("hit", tokens)
        assert given.texts == [b"a new text"]


@pytest.mark.thorough
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_cache_outlives_the_bridge(recorded: tuple[str, Recorder], tmp_path: Path, end: signal.Signals) -> None:
    """Stopped in order, or killed a moment after the answer."""
    url, given = recorded
    with bridge("--upstream", url, *MODEL, *at(tmp_path), cached=True) as running:
        _, vectors = ask(running, *TEXTS)
        wait_until(lambda: _stats(running)["disk"]["entries"] == len(TEXTS), within=20, what="vectors on disk")
        os.kill(running.pid, end)
    with bridge("--upstream", url, *MODEL, *at(tmp_path), cached=True) as running:
        given.clear()
        found, same = ask(running, *TEXTS)

    assert (found, same.tobytes(), given.texts) == ("hit", vectors.tobytes(), [])


def test_two_bridges_share_a_folder(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """What one has computed the other need not."""
    url, given = recorded
    where = at(tmp_path)
    with (
        bridge("--upstream", url, *MODEL, *where, cached=True) as one,
        bridge("--upstream", url, *MODEL, *where, cached=True) as other,
    ):
        _, vectors = ask(one, *TEXTS)
        wait_until(lambda: _stats(one)["disk"]["entries"] == len(TEXTS), within=20, what="vectors on disk")
        wait_until(lambda: ask(other, "something else")[0], within=20, what="the other looks")
        given.clear()
        wait_until(lambda: ask(other, *TEXTS)[0] == "hit", within=20, what="the other sees them")
        assert ask(other, *TEXTS)[1].tobytes() == vectors.tobytes()


@pytest.mark.thorough
def test_no_request_gets_the_vector_of_another_kind(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """One text, in every role and instruction, under every style and special-token setting, out of one folder: each
    gets the vector that it gets without any cache, the first time and the second."""
    url, _ = recorded
    text = "annual leave <|endoftext|> and more"
    asked = [{}, {"input_type": "query"}, {"task": "classification"}, {"instruction": "Find it."}, {"task": "code"}]
    kinds = ((), ("--set", "prompts.style=article-zh"), ("--set", "prompts.special_tokens=neutralise"))
    fingerprints = set()
    for kind in kinds:
        with (
            bridge("--upstream", url, *MODEL, *kind) as bare,
            bridge("--upstream", url, *MODEL, *kind, *at(tmp_path), cached=True) as running,
        ):
            fingerprints.add(running.ready()["fingerprint"])
            assert ask(running, text)[0] == "miss"
            for fields in asked:
                expected = ask(bare, text, **fields)[1].tobytes()
                assert ask(running, text, **fields)[1].tobytes() == expected, (kind, fields)
                assert ask(running, text, **fields)[0] == "hit"
                assert ask(running, text, **fields)[1].tobytes() == expected, (kind, fields)
    assert len(fingerprints) == len(kinds)


def test_a_cache_that_cannot_be_fails_no_request(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """A file where the folder belongs: memory alone, and the statistics say why."""
    (tmp_path / "file").write_text("a file")
    with bridge("--upstream", recorded[0], *MODEL, *at(tmp_path / "file"), cached=True) as running:
        assert [ask(running, *TEXTS)[0] for _ in range(2)] == ["miss", "hit"]
        stats = _stats(running)

    assert (stats["memory_entries"], stats["disk"]["state"]) == (len(TEXTS), "off")
    assert stats["disk"]["reason"]


def test_a_damaged_file_is_set_aside_by_a_bridge_that_serves(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """It computes again, and keeps what it computes."""
    (tmp_path / "vectors.sqlite3").write_bytes(b"no database at all" * 10_000)
    with bridge("--upstream", recorded[0], *MODEL, *at(tmp_path), cached=True) as running:
        assert ask(running, *TEXTS)[0] == "miss"
        wait_until(lambda: _stats(running)["disk"]["entries"] == len(TEXTS), within=20, what="vectors on disk")
        assert "damaged" in running.log.read_text()


def test_clearing_forgets(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """Memory and disk."""
    with bridge("--upstream", recorded[0], *MODEL, *at(tmp_path), cached=True) as running:
        ask(running, *TEXTS)
        assert requests.delete(f"{running.url}/v1/cache", timeout=30).json() == {"cleared": True}
        stats = _stats(running)
        assert (stats["memory_entries"], stats["disk"]["entries"]) == (0, 0)
        assert ask(running, *TEXTS)[0] == "miss"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_cache_is_an_administrators(recorded: tuple[str, Recorder], method: str) -> None:
    """Where keys are asked for, one with `admin: true`; a page that may embed may not clear."""
    keys = "[{name: user, key: of-a-user}, {name: boss, key: of-the-boss, admin: true}]"
    with bridge("--upstream", recorded[0], *MODEL, "--set", f"security.api_keys={keys}") as running:

        def status(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return requests.request(method, f"{running.url}/v1/cache", headers=headers, timeout=30).status_code

        assert [status(key) for key in ("", "of-a-user", "of-the-boss")] == [401, 403, 200]


def _stats(running: Bridge) -> dict[str, dict[str, object]]:
    stats: dict[str, dict[str, object]] = requests.get(f"{running.url}/v1/cache", timeout=30).json()
    return stats


def _as(key: str, running: Bridge, *texts: str) -> tuple[str, np.ndarray]:
    headers = {"Authorization": f"Bearer {key}"}
    response = running.post("/api/embed", {"model": "demo", "input": list(texts)}, headers=headers)
    assert response.status_code == 200, response.text
    return response.headers["X-Embed-Cache"], np.array(response.json()["embeddings"], np.float32)


ONE, OTHER, ADMIN = "key-of-one-person", "key-of-another", "key-of-the-boss"


def _keys(*keys: str) -> tuple[str, ...]:
    listed = ", ".join(f"{{name: person{number}, key: {key}}}" for number, key in enumerate(keys))
    return ("--set", f"security.api_keys=[{listed}]", "--set", f"security.admin_key={ADMIN}")


def test_a_shared_cache_tells_what_others_have_embedded(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """Unless it is parted: that is what X-Embed-Cache says."""
    with bridge("--upstream", recorded[0], *MODEL, *_keys(ONE, OTHER), *at(tmp_path), cached=True) as running:
        assert [_as(key, running, *TEXTS)[0] for key in (ONE, OTHER, ADMIN)] == ["miss", "hit", "hit"]


def test_each_key_has_a_cache_of_its_own(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """In memory and, after another start, on disk; a key that replaces another begins with nothing. No file of the
    folder holds a key, or a digest that could be looked up."""
    url, given = recorded
    parted = ("--upstream", url, *MODEL, *at(tmp_path), "--set", "cache.scope=key")
    with bridge(*parted, *_keys(ONE, OTHER), cached=True) as running:
        asked = [_as(key, running, *TEXTS) for key in (ONE, ONE, OTHER, OTHER, ADMIN, ADMIN)]
        assert [found for found, _ in asked] == ["miss", "hit"] * 3
        assert len({vectors.tobytes() for _, vectors in asked}) == 1
        given.clear()
        both = _as(ONE, running, "a new text", "a new text")[0], _as(OTHER, running, "a new text")[0]
        assert (both, given.texts) == (("joined=1, miss=1", "miss"), [b"a new text"] * 2)
        entries = 3 * len(TEXTS) + 2
        headers = {"Authorization": f"Bearer {ADMIN}"}
        stats = f"{running.url}/v1/cache"
        wait_until(
            lambda: requests.get(stats, headers=headers, timeout=30).json()["disk"]["entries"] == entries,
            within=20,
            what="vectors on disk",
        )
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for key in (ONE, OTHER, ADMIN):
        digests = [hashlib.new(kind, key.encode()).digest() for kind in ("sha256", "sha1", "md5", "sha512", "blake2b")]
        assert not any(part in content for part in (key.encode(), *digests, *(d.hex().encode() for d in digests)))
    with bridge(*parted, *_keys("key-of-a-third", OTHER), cached=True) as running:
        assert [_as(key, running, *TEXTS)[0] for key in ("key-of-a-third", OTHER, ADMIN)] == ["miss", "hit", "hit"]


def test_without_keys_there_is_nothing_to_part(recorded: tuple[str, Recorder], tmp_path: Path) -> None:
    """All are one client; the log says so, and what a shared cache has kept is found."""
    with bridge("--upstream", recorded[0], *MODEL, *at(tmp_path), "--set", "cache.scope=key", cached=True) as running:
        assert [ask(running, *TEXTS)[0] for _ in range(2)] == ["miss", "hit"]
        assert "cache.scope has no effect without security.api_keys" in running.log.read_text()
