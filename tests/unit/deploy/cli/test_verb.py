"""`@verb`: which options a function gets, what becomes of what it returns, and of what it raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from embedstack.deploy import errors
from embedstack.deploy.cli import verb as verbs
from embedstack.deploy.cli.verb import VerbRun, group, switch, text, verb
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Data
from embedstack.deploy.errors import Blocked, DeployError
from embedstack.models.catalog import CatalogError, NotInCatalog, WrongCatalog

Call = Callable[..., Result]
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeployError)]


@dataclass(frozen=True)
class Answer:
    """What a verb found."""

    word: str

    def __rich__(self) -> str:
        return f"It is {self.word}."


@dataclass(frozen=True)
class Judged(Answer):
    """The same, with an exit status."""

    exit_code: int = 4


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Runs a verb of an application that has the test's verbs alone, where no settings of the machine are in reach."""
    app = typer.Typer()
    app.callback()(lambda: None)  # with one verb alone Typer would not ask for its name
    monkeypatch.setattr(verbs, "app", app)
    monkeypatch.setattr(verbs, "_GROUPS", {"": app})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, words)

    return call


def _options(words: str) -> list[str]:
    """Those of a verb, by their first name, in the order of --help."""
    found: Any = typer.main.get_command(verbs.app)
    for word in words.split():
        found = found.commands[word]
    return [parameter.opts[0] for parameter in found.params]


# --- the options ------------------------------------------------------------------------------------------------


def test_a_function_without_a_run_has_json_alone(call: Call) -> None:
    """What it returns is asked to people, or stands in the envelope under the verb's name."""

    @verb("plain", "Example: plain")
    def plain() -> Answer:
        return Answer("plain")

    assert _options("plain") == ["--json"]
    assert call("plain").stdout == "It is plain.\n"
    document = {"schema": 1, "command": "plain", "ok": True, "data": {"word": "plain"}}
    assert document == json.loads(call("plain", "--json").stdout)


def test_a_run_brings_the_common_options_behind_its_own(call: Call) -> None:
    """Each reaches the function, with a report that knows of --json."""
    seen: list[VerbRun] = []
    words: list[str] = []

    @verb("whole", "Example: whole")
    def whole(run: VerbRun, own: Annotated[str, typer.Option("--own")] = "") -> None:
        seen.append(run)
        words.append(own)

    assert _options("whole") == ["--own", "--stack", "--config", "--set", "--json"]
    call("whole")
    call(
        "whole",
        "--own",
        "x",
        "--stack",
        "two",
        "--config",
        "x.yaml",
        "--set",
        "ports.webui=1",
        "--set",
        "ports.vllm=2",
        "--json",
    )
    assert words == ["", "x"]
    without, given = (replace(run, report=seen[0].report) for run in seen)
    assert VerbRun(seen[0].report, as_json=False) == without
    assert (
        VerbRun(seen[0].report, True, stack="two", config=Path("x.yaml"), assignments=["ports.webui=1", "ports.vllm=2"])
        == given
    )


@pytest.mark.parametrize(
    ("takes", "options"),
    [((), []), (("stack", "config"), ["--stack", "--config"]), (("config", "settings"), ["--config", "--set"])],
)
def test_a_verb_has_those_common_options_that_it_takes(call: Call, takes: tuple[str, ...], options: list[str]) -> None:
    """Any other is a command line that cannot be understood."""

    @verb("some", "Example: some", takes=takes)
    def some(run: VerbRun) -> None: ...

    assert [*options, "--json"] == _options("some")
    for option in {"--stack", "--config", "--set"}:
        assert (0 if option in options else 2) == call("some", option, "x").exit_code


def test_an_option_of_a_setting_stands_where_the_run_stands(call: Call) -> None:
    """Before a verb's own options, or behind them; its value goes into the settings by its flag, on top of --set."""
    loaded: list[LoadedSettings] = []
    given = {"engine.kind": text("--engine", "Which."), "engine.cpu": switch("--cpu/--gpu", "Whether.")}

    @verb("first", "Example: first", given=given)
    def first(run: VerbRun, own: Annotated[str, typer.Option("--own")] = "") -> None:
        loaded.append(run.load())
        assert own == "x"

    @verb("last", "Example: last", given=given, takes=())
    def last(own: Annotated[str, typer.Option("--own")] = "", *, run: VerbRun) -> None: ...

    assert _options("first")[:4] == ["--engine", "--cpu", "--own", "--stack"]
    assert _options("last") == ["--own", "--engine", "--cpu", "--json"]
    outcome = call(
        "first", "--own", "x", "--engine", "vllm", "--gpu", "--set", "engine.kind=ollama", "--set", "ports.webui=81"
    )
    assert outcome.exit_code == 0
    settings, sources = loaded[0].settings, loaded[0].sources
    assert (settings.engine.kind, settings.engine.cpu, settings.ports.webui) == ("vllm", False, 81)
    assert (sources["engine.kind"], sources["engine.cpu"], sources["ports.webui"]) == ("--engine", "--gpu", "--set")


def test_what_is_advised_goes_with_what_was_typed(call: Call) -> None:
    """Another stack, flags and --set: who follows the advice gets what was meant."""

    @verb("refused", "Example: refused", given={"engine.kind": text("--engine", "Which.")})
    def refused(run: VerbRun) -> None:
        run.load()
        raise Blocked("It is blocked.", "Run `embedstack up`.")

    output = call("refused", "--stack", "two", "--engine", "vllm", "--set", "ports.webui=81").stderr

    assert "embedstack up --engine vllm --set ports.webui=81 --stack two`." in output


def test_a_verb_of_two_words_belongs_to_its_group(call: Call) -> None:
    """The docstring and the example are its help."""
    group("things", "What there is.")

    @verb("things show", "Example: embedstack things show")
    def show() -> None:
        """Show them."""

    assert "What there is." in call("--help").stdout
    output = call("things", "show", "--help").stdout
    assert "Show them." in output
    assert "Example: embedstack things show" in output


def test_the_function_stays_as_it_is(call: Call) -> None:
    """So it can be called without a command line."""

    @verb("kept", "Example: kept")
    def kept(word: Annotated[str, typer.Argument()]) -> Answer:
        return Answer(word)

    assert Answer("one") == kept("one")
    assert call("kept", "one").stdout == "It is one.\n"


# --- how it ends ------------------------------------------------------------------------------------------------


def test_a_result_may_have_an_exit_status(call: Call) -> None:
    """It is shown all the same."""

    @verb("judged", "Example: judged")
    def judged() -> Judged:
        return Judged("ill")

    assert (call("judged").exit_code, call("judged").stdout) == (4, "It is ill.\n")


def test_a_verb_that_returns_nothing_shows_nothing(call: Call) -> None:
    """It has reported what it had to by itself, as `logs` does."""

    @verb("silent", "Example: silent")
    def silent(run: VerbRun) -> Data | None:
        run.report.line("a line")
        return None

    assert (call("silent").exit_code, call("silent").stdout) == (0, "a line\n")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_ends_it_with_its_code_and_status(call: Call, kind: type[DeployError]) -> None:
    """As text on standard error, or in the envelope."""

    @verb("failing", "Example: failing")
    def failing() -> None:
        raise kind("It broke.", "Mend it.")

    reported, document = call("failing"), json.loads(call("failing", "--json").stdout)
    assert (reported.exit_code, reported.stdout, reported.stderr) == (
        kind.exit_code,
        "",
        "embedstack: It broke.\nMend it.\n",
    )
    wrong = {"code": kind.code, "message": "It broke.", "advice": "Mend it.", "exit_code": kind.exit_code}
    assert {"schema": 1, "command": "failing", "ok": False, "error": wrong} == document


def test_settings_that_cannot_be_used_end_it_with_2(call: Call) -> None:
    """Whether it needs them all, or only to know which stack is meant."""

    @verb("whole", "Example: whole")
    def whole(run: VerbRun) -> None:
        run.settings()

    @verb("named", "Example: named")
    def named(run: VerbRun) -> None:
        run.stack_name()

    for words in ("whole", "named"):
        outcome = call(words, "--set", "ports.webui=x", "--json")
        assert (outcome.exit_code, json.loads(outcome.stdout)["error"]["code"]) == (2, "invalid_settings")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NotInCatalog("no model 'x'"), "`embedstack model list` shows what there is."),
        (WrongCatalog("own.yaml: cannot be read"), "Correct it, or leave it out."),
        (CatalogError("too many tokens"), ""),
    ],
    ids=["not in it", "wrong", "other"],
)
def test_what_the_catalogue_cannot_answer_ends_it_with_1(call: Call, error: CatalogError, advice: str) -> None:
    """With the way on, where there is one: no verb has to think of it."""

    @verb("asking", "Example: asking")
    def asking() -> None:
        raise error

    outcome = call("asking", "--json")

    answer = json.loads(outcome.stdout)["error"]
    assert (outcome.exit_code, answer["code"]) == (1, "invalid_model")
    assert (answer["message"], answer["advice"]) == (f"{error}.", advice)


def test_a_mistake_of_ours_is_not_reported_as_an_error_of_theirs(call: Call) -> None:
    """It leaves with its traceback, for a report."""

    @verb("mistaken", "Example: mistaken")
    def mistaken() -> None:
        raise ValueError("not meant to happen")

    assert isinstance(call("mistaken").exception, ValueError)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("plain",), "embedstack: Interrupted.\n", 130),
        (("own",), "embedstack: The rest goes on.\n", 130),
        (("asked",), "embedstack: Stopped.\n", 130),
        (("asked", "--follow"), "", 0),
    ],
    ids=["plain", "text", "asked", "good end"],
)
def test_an_interruption_says_what_the_verb_has_to_say_of_it(
    call: Call, words: tuple[str, ...], said: str, code: int
) -> None:
    """A text of its own, or one by what was asked; None where an interruption is the good end."""

    @verb("plain", "Example: plain")
    def plain() -> None:
        raise KeyboardInterrupt

    @verb("own", "Example: own", interrupted="The rest goes on.")
    def own() -> None:
        raise KeyboardInterrupt

    @verb("asked", "Example: asked", interrupted=lambda asked: None if asked["follow"] else "Stopped.")
    def asked(follow: Annotated[bool, typer.Option("--follow")] = False) -> None:
        raise KeyboardInterrupt(follow)

    outcome = call(*words)

    assert (outcome.exit_code, outcome.stderr) == (code, said)
