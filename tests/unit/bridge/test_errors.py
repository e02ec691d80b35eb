"""What is said of a bad string can itself be sent, logged and stored."""

import json
import logging

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.api.answers import error_answer
from embedstack.bridge.errors import BadRequest, encodable, shown
from embedstack.bridge.observe.logs import JsonFormatter

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_lone_surrogates_become_escapes_and_nothing_else_changes(text: str) -> None:
    """Always UTF-8; the very same string where it was."""
    said = encodable(text)

    assert said.encode().decode() == said
    assert (said is text) or any(0xD800 <= ord(char) < 0xE000 for char in text)


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=8))
def test_a_value_is_shown_in_utf8(value: object) -> None:
    """However deep the string stands in it, as a name too."""
    shown(value).encode()


@pytest.mark.parametrize("path", ["/api/embed", "/v1/embeddings", "/embeddings", "/", "/\udc80"])
@pytest.mark.parametrize("bad", ["\ud800", "a\udfff", "\ude00\ud83d"])
def test_every_error_can_be_answered(path: str, bad: str) -> None:
    """Message and advice with whatever string was sent, in both shapes."""
    body = orjson.loads(error_answer(path, BadRequest(f"{bad} is wrong.", f"Not {bad}.")).body)["error"]

    message = body["message"] if isinstance(body, dict) else body
    assert message == f"{encodable(bad)} is wrong. Not {encodable(bad)}."


def test_every_line_of_the_log_is_json() -> None:
    """Also one that repeats such a string, and the traceback of an error that holds one."""
    try:
        raise ValueError("\ud800")
    except ValueError as error:
        caught = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("bridge", logging.INFO, __file__, 1, "%s came", ("\udfff",), caught)

    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "\\udfff came"
    assert "ValueError: \\ud800" in line["traceback"]
