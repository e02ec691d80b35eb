"""`embedstack cache stats|clear` beside a bridge that runs."""

import json

import pytest
from typer.testing import CliRunner, Result

from embedstack.deploy.cli.app import app
from tests.bridge_process import bridge

RUNNER = CliRunner()


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, ["cache", *arguments])


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDSTACK_KEY", raising=False)


def test_what_is_kept_is_counted_and_forgotten() -> None:
    """Three texts are three vectors in memory; after `clear` there is none, and a text is computed again."""
    with bridge("--demo", "--set", "engine.threads=1", cached=True) as running:
        running.embed("one", "two", "three", "one")
        reply = json.loads(run("stats", "--url", running.url, "--json").stdout)
        assert reply["data"]["memory_entries"] == 3
        assert reply["data"]["disk"]["state"] == "on"
        assert "3 vectors" in run("stats", "--url", running.url).stdout

        cleared = json.loads(run("clear", "--url", running.url, "--json").stdout)
        assert cleared["data"]["entries"] == 3
        assert json.loads(run("stats", "--url", running.url, "--json").stdout)["data"]["memory_entries"] == 0
        answer = running.post("/api/embed", {"model": "demo", "input": "one"})
        assert answer.headers["X-Embed-Cache"] == "miss"


def test_only_an_administrator_may_look_and_clear() -> None:
    """Where there are keys, one that is not an administrator's is refused, with what to do."""
    keys = "security.api_keys=[{name: app, key: app-key}, {name: root, key: root-key, admin: true}]"
    with bridge("--demo", "--set", "engine.threads=1", "--set", keys, cached=True) as running:
        for verb in ("stats", "clear"):
            refused = run(verb, "--url", running.url, "--key", "app-key")
            assert refused.exit_code == 4
            assert "admin: true" in refused.stderr
            assert run(verb, "--url", running.url, "--key", "root-key").exit_code == 0


def test_where_no_bridge_is_it_says_so() -> None:
    """Exit status 4, and how to name another address."""
    refused = run("stats", "--url", "http://127.0.0.1:9")
    assert refused.exit_code == 4
    assert "--url" in refused.stderr
