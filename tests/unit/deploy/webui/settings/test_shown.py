"""What `webui status` says of each setting: what it is, what it should be, and where both came from."""

from __future__ import annotations

from typing import Any

import pytest

from embedstack.deploy.errors import InvalidSettings, WebuiUnsupported
from embedstack.deploy.plan import stores
from embedstack.deploy.webui import version
from embedstack.deploy.webui.settings import put, shown
from embedstack.deploy.webui.settings.shown import WebuiSetting
from embedstack.deploy.webui.verbs.elsewhere import elsewhere

MUST = put.fields("demo", "http://127.0.0.1:11435", "secret of the bridge", batch=16, concurrency=4)
SET = {**MUST, "status": True, "openai_config": {"url": "", "key": "secret of another"}}


def _rows(is_set: dict[str, Any], environ: dict[str, str] | None = None) -> dict[str, WebuiSetting]:
    rows = shown.settings(is_set, MUST, shown.sources({"webui.batch": "embedstack.yaml"}), environ)
    return {row.name: row for row in rows}


def test_nothing_differs_where_all_is_as_it_should_be() -> None:
    """Database and environment alike; each setting is there once, by the name of its variable."""
    rows = _rows(SET, stores.ENVIRONMENT | {"RAG_EMBEDDING_BATCH_SIZE": "16", "ENABLE_ASYNC_EMBEDDING": "true"})

    assert [row for row in rows.values() if row.differs or row.note] == []
    assert {"RAG_OLLAMA_BASE_URL", "RAG_EMBEDDING_MODEL", *stores.ENVIRONMENT} <= set(rows)


def test_a_setting_says_where_it_and_what_should_be_come_from() -> None:
    """Changed in the browser it comes from the database; what should be, from a setting, with that one's source."""
    row = _rows(SET | {"RAG_EMBEDDING_BATCH_SIZE": 1})["RAG_EMBEDDING_BATCH_SIZE"]

    assert (row.value, row.came) == ("1", shown.DATABASE)
    assert (row.must, row.wanted) == ("16", "webui.batch: embedstack.yaml")
    assert row.differs


def test_an_environment_that_is_ignored_is_reported() -> None:
    """It counted at the first start; the database has had another value since."""
    row = _rows(SET, {"RAG_EMBEDDING_MODEL": "another"})["RAG_EMBEDDING_MODEL"]

    assert not row.differs
    assert "its environment says another" in row.note


def test_without_persistence_the_environment_is_what_is_set() -> None:
    """Open WebUI then takes everything from there at each start."""
    row = _rows(SET, {shown.PERSISTENT: "False", "RAG_EMBEDDING_MODEL": "another"})["RAG_EMBEDDING_MODEL"]

    assert (row.came, row.note) == (shown.ENVIRONMENT, "")


def test_what_sends_the_role_is_judged_by_the_environment_alone() -> None:
    """Missing or other, it differs; where the environment cannot be seen nothing is claimed."""
    seen, unseen = _rows(SET, {stores.FIELD: "prefix"}), _rows(SET)

    assert [(seen[name].value, seen[name].differs) for name in (stores.FIELD, stores.QUERY)] == [
        ("prefix", True),
        ("", True),
    ]
    assert {(shown.UNSEEN, False)} == {(unseen[name].came, unseen[name].differs) for name in stores.ENVIRONMENT}


def test_no_key_is_reported() -> None:
    """Neither the one that is set nor the one that should be, nor that of the environment."""
    rows = _rows(
        SET | {"ollama_config": {"url": "http://127.0.0.1:11435", "key": "secret that is set"}},
        {"RAG_OLLAMA_API_KEY": "secret of the environment"},
    )

    assert rows["RAG_OLLAMA_API_KEY"].differs
    assert "secret" not in repr(rows)


@pytest.mark.parametrize(
    ("reported", "known"), [("0.12.4", True), ("0.12.9", True), ("0.13.0", False), ("0.1.2", False)]
)
def test_versions_that_are_known(reported: str, known: bool) -> None:
    """All of 0.12; a version that is not is refused, with what can be done."""
    assert known == version.known(reported)
    version.require(reported, "http://x", any_version=True)
    if not known:
        with pytest.raises(WebuiUnsupported) as refused:
            version.require(reported, "http://x", any_version=False)
        assert reported in refused.value.message
        assert "--any-version" in refused.value.advice


def test_an_address_without_a_token_is_refused() -> None:
    """It says where a token is found, and in which variable it goes."""
    with pytest.raises(InvalidSettings) as refused:
        elsewhere("http://chat.example", None)

    assert "EMBEDSTACK_WEBUI_TOKEN" in refused.value.advice


def test_a_bridge_without_an_address_is_refused() -> None:
    """Another bridge is only for an Open WebUI of somebody else's."""
    with pytest.raises(InvalidSettings, match="--bridge"):
        elsewhere(None, "token", "http://bridge:11435")


def test_no_slash_ends_an_address() -> None:
    """Open WebUI would ask for //api/embed."""
    there = elsewhere("http://chat.example/", "token", "http://bridge:11435/")

    assert there is not None
    assert (there.url, there.bridge) == ("http://chat.example", "http://bridge:11435")
