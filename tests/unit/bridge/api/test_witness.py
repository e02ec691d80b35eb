"""Open WebUI that never says a role is reported once."""

from __future__ import annotations

import pytest

from embedstack.bridge.api.witness import ENOUGH, RoleWatch, origin


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("body input_type", "field"),
        ("body instruction", "field"),
        ("header X-Embed-Task", "header"),
        ("model alias", "alias"),
        ("default", "default"),
    ],
)
def test_what_said_the_role(source: str, said: str) -> None:
    """As the pipeline words it, in one word."""
    assert said == origin(source)


def test_enough_texts_without_a_role_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """With what to set; the thousand that follow add nothing."""
    watch = RoleWatch()
    for _ in range(20 * ENOUGH):
        watch.saw(1, "default")

    [record] = caplog.records
    assert f"{ENOUGH} texts" in record.message
    assert "RAG_EMBEDDING_PREFIX_FIELD_NAME=input_type" in record.message


def test_one_role_is_enough_to_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Anyone who can name one may leave it out."""
    watch = RoleWatch()
    watch.saw(ENOUGH - 1, "default")
    watch.saw(1, "field")
    watch.saw(ENOUGH, "default")

    assert not caplog.records
