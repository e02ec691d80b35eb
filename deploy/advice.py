"""A command that a text advises, such that it can be typed here: for the stack in question, by a name that is found."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeVar

from embedstack import extras
from embedstack.deploy.settings import StackSettings

T = TypeVar("T")

PROGRAM = "embedstack"
_COMMAND = re.compile(rf"`{PROGRAM} ([^`]+)`")
_OF_A_STACK = re.compile(
    r"(up|down|restart|status|logs|doctor|smoke|trace|webui (?!uninstall)\S+|cache \S+"
    r"|config (show|set|secrets|systemd|compose))\b"
)
_DEFAULT = StackSettings().name
OTHER_WAY = {"--webui": "--no-webui", "--cpu": "--gpu", "--offline": "--online"}
OTHER_WAY |= {off: on for on, off in OTHER_WAY.items()}
_ELSEWHERE = {
    "--url": ("status", "apply", "reindex", "demo"),
    "--bridge": ("status", "apply", "reindex"),
    "--bridge-here": ("status", "apply", "reindex"),
}
"""What names an Open WebUI that no stack started, and the verbs of `webui` that take it."""


Words = tuple[str, ...]
"""A flag and its value, as ("--model", "demo"), ("--no-webui",) or ("--set", "ports.webui=8080")."""


class Here:
    """What the command that runs is about, and how it was typed."""

    stack = _DEFAULT
    typed: tuple[Words, ...] = ()


@contextmanager
def one_command() -> Iterator[None]:
    """What a command within says of itself ends with it: the next one in this process begins with nothing."""
    before = Here.stack, Here.typed
    about()
    try:
        yield
    finally:
        about(*before)


def about(stack: str = _DEFAULT, typed: Sequence[Words] = ()) -> None:
    """From now on what is advised is meant for this stack, and goes with what was typed: an `up` that was refused is
    remembered by nobody.
    """
    Here.stack, Here.typed = stack, tuple(typed)


def elsewhere(url: str, bridge: str | None, bridge_here: str | None) -> None:
    """What is advised for Open WebUI is meant for this one. No key is shown: those stay in their variables."""
    given = zip(_ELSEWHERE, (url, bridge, bridge_here), strict=True)
    Here.typed += tuple((flag, value) for flag, value in given if value)


def program(argv0: str, cwd: Path, path: str | None) -> str:
    """How one types the program: by its name where the shell finds it, else by its place, as make's `.venv/bin`."""
    own = Path(argv0)
    found = shutil.which(PROGRAM, path=path)
    if own.name != PROGRAM or not own.exists() or (found and Path(found).resolve() == own.resolve()):
        return PROGRAM
    place = own.absolute()
    return str(place.relative_to(cwd)) if place.is_relative_to(cwd) else str(place)


def followable(text: str) -> str:
    """The text with each command in backticks as it has to be typed here."""
    name = extras.uvx() or program(sys.argv[0], Path.cwd(), os.environ.get("PATH"))
    return _COMMAND.sub(lambda found: f"`{name} {command(found[1], Here.stack, Here.typed)}`", text)


def command(words: str, stack: str, typed: Sequence[Words] = ()) -> str:
    """The words after `embedstack`, with the stack and with what was typed, unless they say it themselves.

    A bridge that a URL names belongs to no stack.
    """
    own = words.split()
    if not _OF_A_STACK.match(words) or ("--url" in own and own[0] != "webui"):
        return words
    more = [one for one in typed if _goes_with(own, one) and not _said(own, one)]
    if stack != _DEFAULT and "--stack" not in own:
        more.append(("--stack", stack))
    return " ".join([words, *(shlex.quote(word) for one in more for word in one)])


def everywhere(data: T) -> T:
    """The same for each text of a frozen dataclass, at any depth."""
    if isinstance(data, str):
        return followable(data)  # type: ignore[return-value]  # a str is what it was
    if isinstance(data, tuple) and type(data) is tuple:
        return tuple(map(everywhere, data))  # type: ignore[return-value]  # so is a tuple
    if is_dataclass(data) and not isinstance(data, type):
        changed = {field.name: everywhere(getattr(data, field.name)) for field in fields(data) if field.init}
        return replace(data, **changed)
    return data


def _goes_with(own: Sequence[str], typed: Words) -> bool:
    """Short flags are those of `up`; what says how settings are read goes with all that compares them, and what names
    an Open WebUI with the verbs that ask it.
    """
    if typed[0] in _ELSEWHERE:
        return own[0] == "webui" and own[1] in _ELSEWHERE[typed[0]]
    return own[0] == "up" or (own[0] in ("doctor", "webui") and typed[0] in ("--set", "--config"))


def _said(own: Sequence[str], typed: Words) -> bool:
    if typed[0] == "--set":
        return any(word.startswith(f"{typed[1].partition('=')[0]}=") for word in own)
    return typed[0] in own or OTHER_WAY.get(typed[0]) in own
