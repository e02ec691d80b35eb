"""A command that is typed in this process, what it prints, and the advice in it, to be followed as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from tests import advices
from tests.advice_list import FOLLOWED

_RUNNER = CliRunner()


@dataclass(frozen=True)
class Advice:
    """An advice as it was printed."""

    text: str

    def command(self) -> list[str]:
        """The words after `embedstack`, of the first command in it."""
        return self.commands()[0]

    def commands(self) -> list[list[str]]:
        found = re.findall(r"`embedstack ([^`]+)`", self.text)
        assert found, self.text
        return [shlex.split(words) for words in found]

    def words(self, flag: str) -> list[str]:
        """The flag in backticks with its value, or in brackets."""
        found = re.search(rf"`({re.escape(flag)}(?: [^`]+)?)`", self.text)
        assert found, self.text
        return shlex.split(found[1])

    def choices(self) -> list[list[str]]:
        """Every flag, or several that go together, in backticks."""
        return [shlex.split(found) for found in re.findall(r"`(--[^`]+)`", self.text)]

    def flag(self, name: str) -> str:
        return self._named(name)

    def setting(self, name: str) -> str:
        return self._named(name)

    def variable(self, name: str) -> str:
        return self._named(name)

    def path(self, after: str) -> Path:
        """What stands behind a word."""
        found = re.search(rf"\b{after} (/\S+)", self.text)
        assert found, self.text
        return Path(found[1])

    def _named(self, name: str) -> str:
        found = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", self.text)
        assert found, self.text
        return found[0]


@dataclass(frozen=True)
class Said:
    """Exit status, and all that was printed."""

    status: int
    text: str

    def advised(self, fragment: str) -> Advice:
        """The advice of the sources that has this fragment, as it was printed here. AssertionError where it was not,
        and where tests/advice_list.py does not have it as followed by the test that runs.
        """
        test = os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0].partition("[")[0]
        assert fragment in FOLLOWED.get(test, ()), f"tests/advice_list.py: {test} follows {fragment!r}"
        for one in advices.texts():
            if (
                not one.of_document
                and fragment in one.text
                and (found := re.search(advices.printed(one.text), self.text, re.DOTALL))
            ):
                return Advice(found[0])
        raise AssertionError(f"not advised: {fragment!r}\n{self.text}")


def typed(*words: str) -> Said:
    """`embedstack WORDS`. What failed unexpectedly is raised."""
    done = _RUNNER.invoke(app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, _error(done.output) if "--json" in words else done.output)


def good(*words: str) -> Said:
    """What is printed to who types this, which succeeds."""
    said = typed(*words)
    assert said.status == 0, said.text
    return said


def refused(fragment: str, *words: str) -> Advice:
    """What is advised to who types this, which fails."""
    said = typed(*words)
    assert said.status not in (0, 130), said.text
    return said.advised(fragment)


def _error(text: str) -> str:
    """The message and the advice of a refusal as JSON, as text; all else as it stands."""
    try:
        error = json.loads(text).get("error")
    except ValueError:
        return text
    return f"{error['message']}\n{error['advice']}" if error else text
