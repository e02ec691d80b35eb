"""Every text that is put together of sentences has a full stop between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedstack.bridge.errors import BridgeError
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.errors import DeployError
from embedstack.words import joined, sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "nothing."),
        ("It is.", "It is."),
        ("Did you mean 'a'?", "Did you mean 'a'?"),
        ("Wait …", "Wait …"),
        ("Ollama answered 500: ", "Ollama answered 500."),
        ("见日志。", "见日志。"),
        ("it said 'x'", "it said 'x'."),
        ("", ""),
        ("Its last lines:\n  a\n  b", "Its last lines:\n  a\n  b"),
    ],
)
def test_a_sentence_ends_with_a_full_stop(text: str, said: str) -> None:
    """Unless it ends as a sentence does already; lines of a log are left alone."""
    assert sentence(text) == said
    assert sentence(said) == said


def test_sentences_are_joined_with_one_space() -> None:
    """What is empty is left out."""
    assert joined("Ollama answered 500: nothing", "", "Check it") == "Ollama answered 500: nothing. Check it."


def _all(kind: type[BridgeError | DeployError]) -> Iterator[type[BridgeError | DeployError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all(below)


# Those with a text of their own say it through the same constructor.
ERRORS = [kind for base in (BridgeError, DeployError) for kind in _all(base) if kind.__init__ is base.__init__]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_says_sentences(kind: type[BridgeError | DeployError]) -> None:
    """However an engine's own words, which stand at the end of many, end."""
    error = kind("The engine answered 500: nothing", "Check that it runs")

    assert (error.message, error.advice) == ("The engine answered 500: nothing.", "Check that it runs.")
    assert kind("It answered").advice == ""


def test_an_error_of_the_bridge_is_one_text() -> None:
    """As a client and the log get it; the text at fault is named before."""
    assert str(BridgeError("It said nothing", "Check it").at(3)) == "input 3: It said nothing. Check it."


def test_every_finding_says_sentences() -> None:
    """`up` puts evidence and next step into one line."""
    found = Finding("ID", "note", "A title", "Port 80 is taken", "It cannot start", "`kill 1`")

    assert (found.title, found.evidence, found.impact, found.next_step) == (
        *("A title", "Port 80 is taken.", "It cannot start."),
        "`kill 1`.",
    )
