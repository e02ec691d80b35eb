"""Open WebUI that does not do what it is asked: each fault has its own message, and nothing is half-applied."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from embedstack.deploy.errors import DeployError, PartNotReady, WebuiRefused
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.settings import put
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs import theirs
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere
from tests.upstreams.open_webui import UPDATE, scripted
from tests.upstreams.server import Connection, Request, serve

MUST = put.fields("demo", "http://127.0.0.1:11435", "", batch=16, concurrency=4)
BEFORE = put.fields("other", "http://127.0.0.1:1", "", batch=1, concurrency=0) | {
    "openai_config": {"url": "", "key": ""}
}
LOCKED = (500, '{"detail": "Error updating embedding configuration: database is locked"}')
AS_IT_IS = (0, "")


def test_all_is_set_at_once_and_only_once() -> None:
    """Every field is sent, since Open WebUI sets back what is left out; the second time nothing is."""
    with scripted(is_set=dict(BEFORE)) as server, Webui(server.url) as webui:
        changed = put.put(webui, MUST)
        sent = len(server.updates)

        assert put.put(webui, MUST) == ()
        assert server.updates[-1] == MUST
        assert len(server.updates) == sent
        assert {"RAG_EMBEDDING_MODEL", "ollama_config.url"} <= {each.name for each in changed}


def test_where_settings_cannot_be_kept_none_is_changed() -> None:
    """It is asked to keep what it has first: a locked database is seen before anything new is sent."""
    with scripted(is_set=dict(BEFORE), instead={UPDATE: [LOCKED]}) as server, Webui(server.url) as webui:
        with pytest.raises(WebuiRefused) as refused:
            put.put(webui, MUST)

        assert server.updates == []
        assert "database is locked" in refused.value.message
        assert "none was changed" in refused.value.message


def test_settings_that_were_not_kept_are_taken_back() -> None:
    """Locked in the very moment: it is set back to what it was, and that is said."""
    broken = {UPDATE: [AS_IT_IS, LOCKED, AS_IT_IS]}
    with scripted(is_set=dict(BEFORE), instead=broken) as server, Webui(server.url) as webui:
        with pytest.raises(WebuiRefused, match="as they were"):
            put.put(webui, MUST)

        assert server.is_set["RAG_EMBEDDING_MODEL"] == "other"
        assert {"other"} == {update["RAG_EMBEDDING_MODEL"] for update in server.updates}


def test_settings_that_cannot_be_taken_back_are_reported() -> None:
    """Open WebUI embeds with them until its next start, though its database has others."""
    broken = {UPDATE: [AS_IT_IS, LOCKED]}
    with scripted(is_set=dict(BEFORE), instead=broken) as server, Webui(server.url) as webui:
        with pytest.raises(WebuiRefused) as refused:
            put.put(webui, MUST)

        assert "until its next start" in refused.value.message
        assert "embedstack restart open-webui" in refused.value.advice


@pytest.mark.parametrize("body", ['{"detail": "boom"}', "Internal Server Error"], ids=["json", "text"])
def test_a_500_is_reported_with_its_reason(body: str) -> None:
    """As JSON or as the bare text of an error that nobody caught; either way it is an Open WebUI that is not well."""
    path = "/api/v1/retrieval/embedding"
    with scripted(instead={path: [(500, body)]}) as server, Webui(server.url) as webui:
        with pytest.raises(WebuiRefused) as refused:
            webui.embedding()

        assert "500" in refused.value.message
        assert body.removeprefix('{"detail": "').removesuffix('"}') in refused.value.message
        assert "embedstack logs open-webui" in refused.value.advice


def test_a_token_that_is_refused_says_how_to_get_another() -> None:
    """Too old, or of another Open WebUI."""
    refusal = {"/api/v1/auths/": [(401, '{"detail": "Invalid token"}')]}
    with scripted(instead=refusal) as server, Webui(server.url) as webui:
        with pytest.raises(WebuiRefused) as refused:
            theirs.signed_in(webui, Elsewhere(server.url, "old"))

        assert "Invalid token" in refused.value.message
        assert "EMBEDSTACK_WEBUI_TOKEN" in refused.value.advice


def test_a_token_of_no_administrator_is_refused() -> None:
    """Others cannot read the settings; it is said whose token it was."""
    with (
        scripted(role="user") as server,
        Webui(server.url) as webui,
        pytest.raises(WebuiRefused, match="that of a user"),
    ):
        theirs.signed_in(webui, Elsewhere(server.url, "token"))


@pytest.mark.parametrize("status", [200, 404])
def test_something_else_on_the_port_is_called_so(status: int) -> None:
    """An Ollama says 404, a bridge JSON of its own: neither is taken for an Open WebUI."""

    async def other(_: Request, connection: Connection) -> None:
        await connection.answer(status, b'{"version": "0.34.4"}')

    with serve(other) as url, Webui(url) as webui, pytest.raises(PartNotReady, match="is not an Open WebUI"):
        webui.version()


def test_nothing_on_the_port_is_called_so() -> None:
    """The address is reported."""
    with Webui("http://127.0.0.1:1") as webui, pytest.raises(PartNotReady, match=r"127\.0\.0\.1:1 gave no answer"):
        webui.version()


def test_a_second_factor_is_called_so() -> None:
    """Signing in then gives no token: it is said where one comes from."""
    instead = {"/api/v1/auths/signin": [(200, '{"next_step": "verify"}')]}
    with scripted(instead=instead) as server, Webui(server.url) as webui:
        with pytest.raises(DeployError) as refused:
            webui.sign_in("admin@localhost", "password")

        assert "second factor" in refused.value.message


@pytest.mark.parametrize(
    ("given", "more", "code", "status"),
    [
        ({"version": "0.13.0"}, [], "webui_unsupported", 3),
        ({"version": "0.13.0"}, ["--any-version"], "part_not_ready", 4),
        ({"instead": {"/api/config": [(500, "Internal Server Error")]}}, [], "webui_refused", 4),
        ({"instead": {"/api/v1/auths/": [(401, '{"detail": "Invalid token"}')]}}, [], "webui_refused", 4),
        ({}, [], "part_not_ready", 4),
    ],
    ids=["a version not known", "a version not known, tried", "500", "the token", "no bridge"],
)
def test_apply_that_cannot_be_proved_changes_nothing(
    tmp_path: Path, given: dict[str, Any], more: list[str], code: str, status: int
) -> None:
    """Each with its code and exit status, before anything is sent; the bridge is asked first too, and is not there."""
    environment = {"EMBEDSTACK_HOME": str(tmp_path), "EMBEDSTACK_WEBUI_TOKEN": "token", "EMBEDSTACK_MODEL_ID": "demo"}
    with scripted(is_set=dict(BEFORE), **given) as server:
        argv = ["webui", "apply", "--url", server.url, "--bridge", "http://127.0.0.1:1", "--json", *more]
        outcome = CliRunner().invoke(app, argv, env=environment)

        assert (json.loads(outcome.stdout)["error"]["code"], outcome.exit_code) == (code, status)
        assert server.updates == []


VERBS = [["webui", "reindex"], ["webui", "demo"], ["webui", "demo", "--remove"]]


@pytest.mark.parametrize(
    ("more", "code", "status"), [([], "webui_unsupported", 3), (["--any-version"], "webui_refused", 4)]
)
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_who_writes_there_asks_for_the_version_first(
    tmp_path: Path, verb: list[str], more: list[str], code: str, status: int
) -> None:
    """One that is not known is refused before anything else is asked: else the token, which is no administrator's."""
    environment = {"EMBEDSTACK_HOME": str(tmp_path), "EMBEDSTACK_WEBUI_TOKEN": "token", "EMBEDSTACK_MODEL_ID": "demo"}
    with scripted(version="0.13.0", role="user") as server:
        outcome = CliRunner().invoke(app, [*verb, "--url", server.url, "--json", *more], env=environment)

    assert (json.loads(outcome.stdout)["error"]["code"], outcome.exit_code) == (code, status)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_version_of_the_stacks_own_counts_as_well(monkeypatch: pytest.MonkeyPatch, verb: list[str]) -> None:
    """`images.webui` may name any."""
    with scripted(version="0.13.0") as server:
        own = SimpleNamespace(plan=SimpleNamespace(webui_url=server.url))
        monkeypatch.setattr(webui_own, "find", lambda *_: own)
        outcome = CliRunner().invoke(app, [*verb, "--json"])

    assert json.loads(outcome.stdout)["error"]["code"] == "webui_unsupported"
