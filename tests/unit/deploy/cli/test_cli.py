"""`embedstack` as scripts and people meet it: envelope, exit status, messages, colour."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from embedstack import __version__
from embedstack.deploy import errors
from embedstack.deploy.cli.app import app
from embedstack.deploy.cli.verb import MODELS
from embedstack.deploy.console import reporting
from embedstack.deploy.demo.command import DIMENSIONS, Demo, Guided, Scored, handbook, questions
from embedstack.deploy.demo.model import DemoModel
from embedstack.deploy.errors import DeployError, PortTaken
from embedstack.deploy.machine import ports
from embedstack.deploy.stack.result import Status
from embedstack.models import catalog
from tests.paths import ROOT

runner = CliRunner()


def _scored(name: str, text: str, score: float) -> Scored:
    scores = dict.fromkeys(DIMENSIONS, score)
    return Scored(name, text, scores, scores)


GUIDED = Guided(
    "公司年假政策有哪些？",
    "Instruct: x\nQuery:公司年假政策有哪些？",
    "holiday",
    tuple(_scored(passage.id, passage.text, 0.9 - i / 100) for i, passage in enumerate(handbook())),
)


def test_json_is_one_versioned_envelope() -> None:
    """What a command found stands in an envelope with schema, command and ok, and nothing else is on stdout."""
    outcome = runner.invoke(app, ["version", "--json"])

    document = json.loads(outcome.stdout)
    assert {k: document[k] for k in ("schema", "command", "ok")} == {"schema": 1, "command": "version", "ok": True}
    assert __version__ == document["data"]["version"]


def test_people_get_a_line_instead() -> None:
    """Without --json the same data is a sentence."""
    outcome = runner.invoke(app, ["version"])

    assert outcome.stdout.startswith(f"embedstack {__version__} (Python ")


def test_an_error_becomes_its_exit_status_and_its_code() -> None:
    """A folder that cannot be written ends `model demo` with 3, and with a code, a cause and a next step as JSON."""
    outcome = runner.invoke(app, ["model", "demo", "--json"], env={"EMBEDSTACK_CACHE": "/proc/no-such-folder"})

    error = json.loads(outcome.stdout)["error"]
    assert (outcome.exit_code, error["code"], error["exit_code"]) == (3, "model_not_built", 3)
    assert "/proc/no-such-folder" in error["message"]
    assert "EMBEDSTACK_CACHE" in error["message"]


def test_an_error_is_reported_on_standard_error() -> None:
    """A person reads what happened and what to do next on standard error; standard output stays empty."""
    outcome = runner.invoke(app, ["model", "demo"], env={"EMBEDSTACK_CACHE": "/proc/no-such-folder"})

    assert outcome.stdout == ""
    assert "embedstack: The demo model could not be written to /proc/no-such-folder" in outcome.stderr


def test_a_command_line_that_means_nothing_exits_with_2() -> None:
    """A port that is none is refused before anything starts."""
    outcome = runner.invoke(app, ["demo", "--port", "70000"])

    assert outcome.exit_code == 2
    assert "65535" in outcome.stderr


def test_an_interruption_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C in the middle of a command is 130, and an envelope like any other error."""
    with pytest.raises(typer.Exit) as ended, reporting("demo", as_json=True):
        raise KeyboardInterrupt

    assert ended.value.exit_code == 130
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


def test_what_is_reported_is_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A message with brackets, as a path or a log line may have, is shown as it is."""
    with pytest.raises(typer.Exit), reporting("demo", as_json=False):
        raise DeployError("no file /data/[red]/x", "see [/dim] there")

    output = capsys.readouterr().err
    assert "no file /data/[red]/x" in output
    assert "see [/dim] there" in output


def test_every_error_stands_in_the_tree_with_its_code_and_status() -> None:
    """The module's docstring is the list of codes and exit statuses: it names each class, and no other."""
    drawn = re.findall(r"^[├└─│ ]*([A-Z]\w+) +([a-z_]+) +(\d+)", errors.__doc__ or "", re.MULTILINE)
    defined = [
        (name, kind.code, str(kind.exit_code))
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, DeployError)
    ]

    assert sorted(defined) == sorted(drawn)


def test_the_documentation_lists_every_code() -> None:
    """docs/embedstack.md has a row for each error, with its exit status."""
    page = (ROOT / "docs" / "embedstack.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `([a-z_]+)` \|", page, re.MULTILINE)
    defined = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeployError)}

    assert sorted(rows) == sorted((str(kind.exit_code), kind.code) for kind in defined)


def test_help_lists_every_exit_status() -> None:
    """0 and 2, which no error of ours has to itself, and that of each error."""
    epilog = app.info.epilog or ""
    output = [int(status) for status in re.findall(r"(?:: |, )(\d+) ", epilog)]
    defined = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DeployError)
    }

    assert sorted({0, 2, *defined}) == output


def test_a_taken_port_names_who_has_it() -> None:
    """The message has the port, the program and the process id; the advice a way on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            ports.ensure_free(port, "Stop it.")

    assert f"Port {port} is taken by " in refused.value.message
    assert f"(process {os.getpid()})" in refused.value.message
    assert refused.value.advice == "Stop it."


def test_a_free_port_is_free() -> None:
    """A port that nobody listens on passes."""
    ports.ensure_free(ports.free_port(), "")


@pytest.mark.parametrize(
    ("argv", "reported"),
    [
        (["/usr/bin/redis-server", "127.0.0.1:6379"], "redis-server"),
        (
            ["/x/bin/python3", "-m", "embedstack.bridge", "--set", "security.api_keys=secret"],
            "python3 -m embedstack.bridge",
        ),
        (
            ["/x/bin/python3", "-P", "-m", "embedstack.bridge", "--set", "security.api_keys=secret"],
            "python3 -m embedstack.bridge",
        ),
        (["/x/bin/python3", "-u", "-IB", "/x/serve.py", "--key", "secret"], "python3 serve.py"),
        (["/x/bin/python3", "-P", "-c", "token='secret'"], "python3"),
        (["/x/bin/python3", "/x/bin/embed-bridge", "--demo"], "python3 embed-bridge"),
        (["/x/bin/python3", "-c", "token='secret'"], "python3"),
        ([], ""),
    ],
)
def test_a_program_is_named_without_its_arguments(argv: list[str], reported: str) -> None:
    """Program, module or script are reported; what else stands on a command line may be a secret."""
    assert reported == ports.program(argv)


def test_the_ranking_is_right_only_if_the_answer_is_first_at_every_dimension() -> None:
    """A paragraph that overtakes the answer at 32 dimensions alone makes the demo fail."""
    first, second, *rest = GUIDED.ranking
    overtaken = replace(second, instructed={**second.instructed, 32: 0.95})

    assert GUIDED.right
    assert not replace(GUIDED, ranking=(first, overtaken, *rest)).right


def test_the_ranking_fits_a_terminal() -> None:
    """No line is wider than 80 cells, where a Chinese character takes two; only the command to copy is never cut."""
    built = DemoModel("demo", "a stand-in", Path("demo.gguf"), 1, "0" * 64, Path("hf"))
    shown = Demo("http://127.0.0.1:11435", GUIDED, built, serving=True)
    console = Console(width=80, color_system=None)

    with console.capture() as captured:
        console.print(shown, crop=False)

    lines = captured.get().splitlines()
    assert max(cell_len(line) for line in lines if "curl" not in line) <= 80
    assert f"  {shown.curl}" in lines
    answer = next(line for line in lines if "带薪休假" in line)
    assert answer.split()[-8:] == ["0.90"] * 8


def test_no_colour_outside_a_terminal() -> None:
    """What goes into a file or a pipe has no escape sequences."""
    outcome = runner.invoke(app, ["model", "demo"], env={"EMBEDSTACK_CACHE": "/proc/no-such-folder", "TERM": "xterm"})

    assert "\x1b" not in outcome.output


def test_the_guided_query_is_about_the_handbook() -> None:
    """Each question of the demo names a paragraph that is there."""
    assert {question.answer for question in questions()} <= {passage.id for passage in handbook()}
    assert "公司年假政策有哪些" in questions()[0].text


@pytest.mark.parametrize(
    ("words", "replaced", "said", "code"),
    [
        (["up"], "embedstack.deploy.stack.up.up", "`embedstack up` continues from here", 130),
        (["logs", "--follow"], "embedstack.deploy.stack.running.logs", "", 0),
        (["logs"], "embedstack.deploy.stack.running.logs", "Interrupted.", 130),
        (["trace"], "embedstack.deploy.bridge_verbs.follow", "", 0),
        (["trace", "--once"], "embedstack.deploy.bridge_verbs.trace", "Interrupted.", 130),
        (["model", "pull"], "embedstack.deploy.models.files.pull", "the same command continues", 130),
        (["demo"], "embedstack.deploy.demo.command.run", "what was started has been stopped", 130),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_interruption_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], replaced: str, said: str, code: int
) -> None:
    """Which differs from verb to verb; to follow a log is meant to end like this."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(replaced, interrupted)

    outcome = runner.invoke(app, words)

    assert outcome.exit_code == code
    assert said in outcome.stderr
    assert bool(outcome.stderr) is bool(said)


def test_help_names_every_model_of_the_catalogue() -> None:
    """`--model` is given by a name that its help lists."""
    assert list(catalog.load().models) == MODELS.split(", ")
    assert all(name in " ".join(runner.invoke(app, ["up", "--help"]).stdout.split()) for name in catalog.load().models)


def test_the_help_of_every_verb_is_a_sentence_with_an_example() -> None:
    """So is that of each of its options."""
    verbs = list(_verbs(typer.main.get_command(app)))
    assert len(verbs) > 30
    for verb in verbs:
        assert re.match("Example: .*embedstack ", verb.epilog), verb.name
        texts = [verb.help, *(getattr(option, "help", None) or "" for option in verb.params)]
        assert all(re.match(r"[A-Z].*[.?]\Z", text, re.DOTALL) for text in texts), (verb.name, texts)


def _verbs(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        yield from _verbs(command) if hasattr(command, "commands") else [command]


def test_doctor_can_be_given_what_up_is_given() -> None:
    """What it advises for `up` can be tried with `doctor` first; how to fetch and start is not its business."""
    commands = typer.main.get_group(app).commands  # type: ignore[attr-defined]  # Click's own
    options = {name: {option for each in commands[name].params for option in each.opts} for name in ("up", "doctor")}

    only = {"--endpoint", "--offline", "--dry-run", "--reindex", "--foreground", "--forget"}
    assert options["up"] - options["doctor"] == only


def test_a_stack_that_was_stopped_is_reported_in_a_sentence() -> None:
    """And not as a table without rows."""
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(Status("embedstack", "native", "demo", (), 4))

    assert captured.get() == "embedstack: demo, native\nIt does not run; `embedstack up` starts it.\n"
