"""An output that a document shows is held against the one that a command has: strictly, but for what may vary."""

import pytest

from tests.documented import Command, assert_shown

TABLE = ["embedstack: up, 12.1 s", "part    state    for", "bridge  running  6 s", "…", "All is right."]


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (["a  b", "", "c"], "a b\n\nc   \n"),
        (TABLE, "\nembedstack: up, 7 s\npart state for\nbridge running 11 s\nAll is right.\n"),
        (TABLE, "embedstack: up, 7.5 s\npart state for\nbridge running 850 ms\nother\nlines\nAll is right."),
        (["0.64 -0.06, at http://127.0.0.1:80"], "0.65 -0.07, at http://127.0.0.1:80"),
        (['{"a":[0.24,…],"time":…}'], '{"a":[0.2451,0.3],"time":1234}'),
    ],
)
def test_what_may_vary_does(shown: list[str], written: str) -> None:
    """Room, times, the last digits of scores, and what is left out with an ellipsis."""
    assert_shown(shown, written)


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (["a b"], "a b\nc"),
        (["a b", "c"], "a b"),
        (["a b"], "a bb"),
        (["2560 numbers"], "1024 numbers"),
        (["0.64 0.06"], "0.59 0.12"),
        (["up, 12.1 s"], "up, soon"),
        (["Ollama 0.34.4"], "Ollama 0.34.5"),
        (["at 127.0.0.1:80"], "at 127.0.0.1:81"),
        (["…", "All is right."], "other\nAll is wrong."),
    ],
)
def test_what_differs_is_found(shown: list[str], written: str) -> None:
    """A line too many or too few, a word, a count, a score, a version, an address."""
    with pytest.raises(AssertionError):
        assert_shown(shown, written)


def test_a_comment_is_not_typed() -> None:
    """It is for the reader, and may be in another language."""
    assert Command("embedstack up   # 启动", ()).typed == "embedstack up"
