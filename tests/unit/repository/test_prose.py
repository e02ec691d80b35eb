"""`make lint` finds what the glossary of CONTRIBUTING.md advises against, and nothing in what is no prose."""

import pytest

from tests import prose
from tests.paths import ROOT


def _found(text: str) -> list[str]:
    return list(prose.findings("text.md", prose.prose(text)))


def test_a_phrase_of_the_glossary_is_found_on_its_line() -> None:
    """Also where it is broken over two lines, and with another word in the place of its ellipsis."""
    assert [line.partition(": ")[0] for line in _found("One line.\n\nThe service is\nno bridge at all.\n")] == [
        "text.md:3"
    ]
    assert "'anew'" in _found("Run it anew.\n")[0]


def test_a_cliche_is_found_by_proselint() -> None:
    """Its own checks run beside the glossary's."""
    assert "text.md:1: 'At the end of the day' is a cliché" in _found("At the end of the day it works.\n")


@pytest.mark.parametrize("text", ["`anew`", "```console\n$ run anew\n```", "[a](anew.md)", "There is no bridge."])
def test_code_and_idioms_are_left_alone(text: str) -> None:
    """What is typed, shown or linked is not prose, and some phrases are good English in their place."""
    assert _found(f"One: {text}\n" if "```" not in text else text) == []


@pytest.mark.parametrize(
    "source",
    [
        "# Read it anew.\n",
        'x = "read it " \\\n    "anew"\n',
        'def f():\n    """Read\n    anew."""\n',
        "def read_anew(): ...\n",
        "x = f'read {y} anew'\n",
    ],
)
def test_sources_are_read_where_people_read_them(source: str) -> None:
    """Comments, strings, docstrings and names."""
    assert len(list(prose.findings("a.py", prose.written(source), ours_alone=True))) == 1


def test_the_rest_of_a_source_is_not_prose() -> None:
    """Operators between names make no phrase of the glossary, and neither does what a string formats."""
    source = "if x is no_answer: ...\ny = f'one {anew!r}'\n"
    assert list(prose.findings("a.py", prose.written(source), ours_alone=True)) == []


def test_every_phrase_of_the_glossary_can_be_found() -> None:
    """None of them is one that the linter would pass over."""
    phrases = prose.wrong(prose.GLOSSARY.read_text(encoding="utf-8"))
    assert len(phrases) > 10
    for phrase in phrases:
        assert _found(f"The {phrase.replace('…', 'word')} here.\n"), phrase


def test_the_glossary_is_read_by_itself() -> None:
    """CONTRIBUTING.md is held against it like every other document."""
    assert ROOT / "CONTRIBUTING.md" in prose.files()
    assert prose.of_file(ROOT / "CONTRIBUTING.md") == []
