"""Which Ollamas are used, which with a warning, and which not."""

import pytest

from embedstack.deploy.errors import EngineNotUsable
from embedstack.deploy.ollama.version import Support, judge, needs_llama_server
from embedstack.host.ollama import parse_version, uncounted, uncounted_by


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.34.4", (0, 34, 4)),
        ("v0.33.0-rc2", (0, 33, 0)),
        ("0.12", (0, 12, 0)),
        ("0.0.0", (0, 0, 0)),
        ("", None),
        ("main", None),
        ("0.34.4.1", None),
    ],
)
def test_parsing(text: str, version: tuple[int, int, int] | None) -> None:
    """What is not a version is None, and no error."""
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("text", "support"),
    [
        ("0.30.0", "supported"),
        ("0.34.4", "supported"),
        ("1.0.0", "supported"),
        ("0.29.9", "warned"),
        ("0.24.0", "warned"),
        ("0.12.0", "warned"),
        ("0.0.0", "source build"),
        ("main-abc", "source build"),
    ],
)
def test_what_can_be_used(text: str, support: Support) -> None:
    """From 0.30 on without a word; everything else that is usable comes with a note."""
    judged = judge(text)
    assert judged.support == support
    assert bool(judged.note) == (support != "supported")


@pytest.mark.parametrize("text", ["0.11.11", "0.6.3", "0.1.48"])
def test_what_is_too_old(text: str) -> None:
    """The message names the version, the advice the way to a newer one."""
    with pytest.raises(EngineNotUsable, match=f"Ollama {text} is too old") as refused:
        judge(text)
    assert "ollama.com/download" in refused.value.advice


@pytest.mark.parametrize(("text", "needed"), [("0.30.0", True), ("0.0.0", True), ("0.24.0", False)])
def test_what_needs_a_llama_server(text: str, needed: bool) -> None:
    """A build from source is taken for a new one."""
    assert needs_llama_server(text) is needed


@pytest.mark.parametrize(
    ("text", "left_out"),
    [("0.12.6", 1), ("0.24.0", 1), ("v0.29.9-rc1", 1), ("0.30.0", 0), ("0.34.4", 0), ("0.0.0", None), ("", None)],
)
def test_what_its_counts_leave_out(text: str, left_out: int | None) -> None:
    """Before 0.30 the end of each text; where the version does not tell, a count does."""
    assert uncounted(text) == left_out


def test_a_count_tells_what_is_left_out() -> None:
    """Of one token: two with the end of text, one without it. What makes no sense is taken as it is."""
    assert [uncounted_by(count) for count in (2, 1, 0, None, 7)] == [0, 1, 0, 0, 0]


def test_the_note_on_an_older_one_says_what_is_done_about_its_counts() -> None:
    """It is usable: the warning must not say otherwise."""
    assert "its counts leave the end of each text out, which is added" in judge("0.12.6").note
