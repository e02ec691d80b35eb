"""The commands that use the bridge hard: they do what they say, briefly, and end well where all is well."""

import json

import pytest

from benchmarks import kills, unanswered
from benchmarks.kills import Ledger, _grown
from benchmarks.victims import Grown


@pytest.mark.process
def test_a_few_requests_of_every_kind_are_all_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind is among them, and the exit status is 0."""
    assert unanswered.main(["--requests", "200", "--clients", "8", "--seed", "1", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert set(answer["answered"]) == {"fresh", "kept", "large", "together"}
    assert answer["left"] > 0
    assert answer["failures"] == []
    assert answer["asked"] >= 200


@pytest.mark.thorough
def test_a_kill_is_survived(capsys: pytest.CaptureFixture[str]) -> None:
    """A part of a real stack is killed under load; the command says which, and that nothing was lost."""
    assert kills.main(["--kills", "2", "--seed", "3", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert sum(answer["kills"].values()) == 2
    assert answer["right"] > 0
    assert answer["failures"] == []


class Holding:
    """A stack whose bridge holds so much, look after look."""

    engine = "embedded"

    def __init__(self, *looks: Grown) -> None:
        self._looks = iter(looks)

    def holds(self) -> dict[str, Grown]:
        return {"bridge": next(self._looks)}


@pytest.mark.parametrize(("memory", "files", "failures"), [(90.0, 40, 0), (121.0, 40, 1), (90.0, 71, 1)])
def test_growth_is_a_failure(memory: float, files: int, failures: int) -> None:
    """What a part holds at the end is held against what it held at first."""
    ledger, held = Ledger(), Holding(Grown(80.0, 40), Grown(500.0, 400), Grown(memory, files))

    for last in (False, False, True):
        _grown(held, ledger, last=last)  # type: ignore[arg-type]

    assert len(ledger.failures) == failures
