"""Whatever a text advises exists: commands with their options, make targets, settings, variables, flags."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from embedstack.bridge.settings import SCHEMA as BRIDGE
from embedstack.bridge.settings import load
from embedstack.deploy import advice
from embedstack.deploy.cli.app import app
from embedstack.deploy.config import SCHEMA
from tests import advices
from tests.advice_list import FOLLOWED, PARSED
from tests.advices import UNKNOWN, Advised, Text
from tests.paths import ROOT

pytestmark = pytest.mark.slow

# Of other programs, in texts that name those too.
_FOREIGN = {
    *("--runtime", "--output", "--editable", "--gpus", "--user", "--now", "--no-verify", "--upgrade"),
    "--force",  # of pipx
    # docker, docker compose, vLLM, llama-server, uv, pytest, git
    *("--project-name", "--env-file", "--file", "--detach", "--engines", "--pooling", "--embeddings", "--no-deps"),
}
_KEY = re.compile(
    rf"(?<![\w/.-])((?:{'|'.join({*SCHEMA.sections, *BRIDGE.sections})})\.[a-z][a-z_0-9]*)(?![\w/(-]|\.\w)"
)
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_VARIABLE = re.compile(r"\b(?:EMBEDSTACK|EMBED_BRIDGE)_[A-Z_0-9]+[A-Z0-9]\b")


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The verb, as Click has it, and the words after it."""
    found: Any = typer.main.get_command(app)
    while words and words[0] in getattr(found, "commands", ()):
        found, words = found.commands[words[0]], words[1:]
    return found, words


def _filled(words: list[str]) -> list[str]:
    """Placeholders as something that fits: PORT is a number, KEY any setting."""
    known = {"PORT": "8080", "KEY=VALUE": "ports.webui=8080", "KEY": "ports.webui", "…": "X"}
    words = ["webui", "status", *words[2:]] if words[:2] == ["webui", "…"] else words
    return [known.get(word, re.sub(r"=(PORT|…)$", "=8080", word)) for word in words]


def _advised(program: str) -> list[Advised]:
    found = [one for one in advices.commands() if one.words.startswith(f"{program} ")]
    assert found
    return found


def _wrong(words: list[str]) -> str:
    """What cannot be understood of the words after `embedstack`, "" for nothing."""
    verb, rest = _command(words)
    if hasattr(verb, "commands"):
        return "" if set(rest) <= {"--help"} else f"no verb {rest}"
    if not rest or rest == ["--help"]:  # a command that is named as an idea need not say of what
        return ""
    try:
        context = verb.make_context(verb.name, list(rest))
    except Exception as error:  # noqa: BLE001 -- Click's, which Typer has under a private name
        plain = [word for word in rest if word != UNKNOWN]  # it may stand for several words, or for none
        return str(error) if plain == rest else _wrong([*words[: len(words) - len(rest)], *plain])
    keys = [one.partition("=")[0] for one in context.params.get("settings") or ()]
    keys += (context.params.get("words") or ())[::2]
    return ", ".join(key for key in keys if key not in SCHEMA.table and UNKNOWN not in key)


def test_each_command_that_is_advised_can_be_typed() -> None:
    """Verb, options and their values are understood, and each setting exists."""
    found = {one: _filled(shlex.split(one.words)[1:]) for one in _advised("embedstack")}
    wrong = {one: _wrong(words) for one, words in found.items() if words[:1] not in ([], ["VERB"], ["X"])}

    assert {one: why for one, why in wrong.items() if why} == {}


def test_each_bridge_command_that_is_advised_can_be_typed() -> None:
    """Flags are known, and each setting of --set exists."""
    wrong = []
    for one in _advised("embed-bridge"):
        words = [word for word in shlex.split(one.words)[1:] if word != "…"]
        if "--help" not in words:
            keys = [assignment.partition("=")[0] for assignment in load.parse_arguments(words).set]
            wrong += [(one, key) for key in keys if key not in {*BRIDGE.table, "KEY"}]

    assert wrong == []


def test_each_make_target_that_is_advised_exists() -> None:
    """Of a line `make format lint ARGS=…` each; a variable is none."""
    known = {*re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE), UNKNOWN}
    wrong = [
        (one, word)
        for one in _advised("make")
        for word in shlex.split(one.words)[1:]
        if {word} - known and "=" not in word
    ]

    assert wrong == []


def test_each_setting_flag_and_variable_that_is_named_exists() -> None:
    """In every sentence of the sources: `ports.webui`, `--no-webui`, `EMBEDSTACK_HOME`."""
    settings = {*SCHEMA.table, *BRIDGE.table}
    variables = {row.variable for schema in (SCHEMA, BRIDGE) for row in schema.table.values()}
    variables |= {SCHEMA.file_variable, BRIDGE.file_variable, *SCHEMA.reserved, *BRIDGE.reserved}
    flags = _all_flags() | _FOREIGN
    wrong = []
    for text in advices.texts():
        if text.where.endswith((".md", ".yaml")):
            continue
        wrong += [(text.where, key) for key in _KEY.findall(text.text) if key not in settings and not _file(key)]
        wrong += [(text.where, flag) for flag in _FLAG.findall(text.text) if flag not in flags]
        wrong += [(text.where, name) for name in _VARIABLE.findall(text.text) if name not in variables]

    assert wrong == []


def _file(name: str) -> bool:
    """`model.safetensors`, `bridge.key`: a file is called as a setting could be."""
    return name.rpartition(".")[2] in {"safetensors", "key", "lock", "log", "py", "yaml", "yml", "json", "db", "sock"}


def _all_flags() -> set[str]:
    def of(command: Any) -> set[str]:
        own = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        return own.union(*(of(sub) for sub in getattr(command, "commands", {}).values()))

    parser = load._parser()
    return of(typer.main.get_command(app)) | set(parser._option_string_actions) | {"--help"}


# --- whether an advice is followed -----------------------------------------------------------------------------------


def _entry(one: Text) -> str:
    """The longest piece of those listed that is in the text, "" for none."""
    listed = [piece for table in (FOLLOWED, PARSED) for pieces in table.values() for piece in pieces]
    return max((piece for piece in listed if piece in one.text), key=len, default="")


def test_each_advice_is_followed_or_has_a_reason() -> None:
    """Of every text that names a command, a setting, a flag or a variable: one that is new has to be listed, and a
    reason stands only where it is one.
    """
    entries = {one.text: _entry(one) for one in advices.advices()}
    parsed = {piece for pieces in PARSED.values() for piece in pieces}
    followed = {piece for pieces in FOLLOWED.values() for piece in pieces}

    assert [text for text, entry in entries.items() if not entry] == []
    assert parsed - set(entries.values()) == set()
    assert parsed & followed == set()


def test_each_piece_that_is_listed_is_one_of_a_text() -> None:
    """Of one that is printed; and each test that is named has it, or takes the advice in its own way, and exists."""
    known = [one.text for one in advices.texts() if not one.of_document]
    pieces = [piece for listed in (FOLLOWED, PARSED) for some in listed.values() for piece in some]

    assert [piece for piece in pieces if not any(piece in text for text in known)] == []
    for test in FOLLOWED:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), test


# --- how an advice is typed here ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("down", "down --stack two"),
        ("webui apply --reindex", "webui apply --reindex --stack two"),
        ("config secrets", "config secrets --stack two"),
        ("down --stack one", "down --stack one"),
        ("webui apply --url http://h", "webui apply --url http://h --stack two"),
        ("cache stats --url http://h", "cache stats --url http://h"),
        ("model list", "model list"),
        ("config example", "config example"),
    ],
)
def test_an_advice_is_for_the_stack_in_question(words: str, said: str) -> None:
    """Where that is not the default one; what belongs to no stack has none."""
    assert advice.command(words, "two") == said
    assert advice.command(words, "embedstack") == words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("up --reindex", "up --reindex --model demo --no-webui --set ports.bridge=11500 --config 'my file.yaml'"),
        ("up --webui", "up --webui --model demo --set ports.bridge=11500 --config 'my file.yaml'"),
        ("up --set ports.bridge=1", "up --set ports.bridge=1 --model demo --no-webui --config 'my file.yaml'"),
        ("webui apply", "webui apply --set ports.bridge=11500 --config 'my file.yaml'"),
        ("status", "status"),
    ],
)
def test_an_advice_goes_with_what_was_typed(words: str, said: str) -> None:
    """An `up` that was refused is remembered by nobody: to type what is advised must not bring up another stack."""
    typed = (("--model", "demo"), ("--no-webui",), ("--set", "ports.bridge=11500"), ("--config", "my file.yaml"))

    assert advice.command(words, "embedstack", typed) == said


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("webui status", "--url http://h --bridge http://b --bridge-here http://i"),
        ("webui apply --reindex", "--url http://h --bridge http://b --bridge-here http://i"),
        ("webui reindex", "--url http://h --bridge http://b --bridge-here http://i"),
        ("webui demo --remove", "--url http://h"),
        ("webui password", ""),
        ("webui uninstall", ""),
        ("up", ""),
        ("status", ""),
    ],
)
def test_an_advice_is_for_the_open_webui_that_was_named(words: str, more: str) -> None:
    """Each verb with what it takes; without the bridge that was named another one would be set."""
    typed = (("--url", "http://h"), ("--bridge", "http://b"), ("--bridge-here", "http://i"))

    assert advice.command(words, "embedstack", typed) == f"{words} {more}".rstrip()


def test_the_program_is_named_as_it_can_be_typed(tmp_path: Path) -> None:
    """By its name where it is on the PATH, else by its place: make's `.venv/bin` is on nobody's PATH."""
    program = tmp_path / ".venv" / "bin" / "embedstack"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert advice.program(str(program), tmp_path, "/no-such-folder") == ".venv/bin/embedstack"
    assert advice.program(str(program), tmp_path / "elsewhere", "/no-such-folder") == str(program)
    assert advice.program(str(program), tmp_path, str(program.parent)) == "embedstack"
    assert advice.program("/usr/bin/python3", tmp_path, "/no-such-folder") == "embedstack"
