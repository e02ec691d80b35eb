"""`embedstack config …`: the settings, where they come from, and what was made for them.

A systemd user unit that keeps a stack running. Pure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Group
from rich.text import Text

from embedstack.configuration.reference import Shown, shown
from embedstack.deploy import config_docs, secrets, settings_file
from embedstack.deploy import flags as memory
from embedstack.deploy.advice import followable
from embedstack.deploy.config import SCHEMA, LoadedSettings, stack_name
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.flags import Remembered
from embedstack.deploy.places import HOME_VARIABLE, Places, places


def systemd_unit(stack: str, argv: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """The unit's text. `argv` begins with an absolute path and is run in `folder`."""
    variables = [f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items()]
    lines = [
        "[Unit]",
        f"Description=Embedstack: {_escaped(stack)}",
        "",
        "[Service]",
        f"WorkingDirectory={_escaped(str(folder))}",
        *variables,
        f"ExecStart={' '.join(_quoted(part.replace('$', '$$')) for part in argv)}",
        "Restart=on-failure",
        "RestartSec=5",
        # 2: a setting is wrong; 3: this machine has to change first. Neither gets better by itself.
        "RestartPreventExitStatus=2 3",
        "KillMode=mixed",
        "TimeoutStopSec=60",
        "UMask=0077",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """As systemd reads it: specifiers escaped, and in double quotes where it is not one plain word."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    plain = escaped == text and text and not any(character.isspace() or character in "';" for character in text)
    return text if plain else f'"{escaped}"'


# What decides where programs, models and vectors are found: systemd has another environment.
_KEPT = (
    *(HOME_VARIABLE, "EMBEDSTACK_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT"),
    *("OLLAMA_HOST", "OLLAMA_MODELS", "PATH"),
)


@dataclass(frozen=True)
class ConfigShow:
    """Every setting. `with_sources`: whether people get to see the sources too; the JSON always has them."""

    file: Path | None
    settings: tuple[Shown, ...]
    with_sources: bool

    def __rich__(self) -> Group:
        width = min(max(len(f"{row.key}: {row.text}") for row in self.settings), 60)
        return Group(*(_whole(self._line(row, width)) for row in self.settings))

    def _line(self, row: Shown, width: int) -> str:
        line = f"{row.key}: {row.text}"
        return f"{line:<{width}}  # {row.source}" if self.with_sources else line


@dataclass(frozen=True)
class Was:
    """A setting that was set.

    Attributes:
        overridden: the variable that still wins, None where none does.
        forgotten: the flag of an earlier `up` that won until now, None where none did.
    """

    key: str
    value: str
    overridden: str | None
    forgotten: str | None = None


@dataclass(frozen=True)
class ConfigSet:
    """What stands in the file now."""

    file: Path
    settings: tuple[Was, ...]

    def __rich__(self) -> Group:
        lines = [f"{row.key}: {row.value}" for row in self.settings]
        won = [f"{row.overridden} is set and wins over {row.key}" for row in self.settings if row.overridden]
        gone = [f"the {row.forgotten} of an earlier `up` no longer counts" for row in self.settings if row.forgotten]
        again = followable("`embedstack up` brings the stack to it")
        notes = [_whole(f"in {self.file}; {again}"), *map(_whole, gone)]
        return Group(*map(_whole, lines), *notes, *(Text(line, "yellow") for line in won))


@dataclass(frozen=True)
class ConfigText:
    """A file's text, to be copied."""

    text: str
    verbatim: ClassVar = True

    def __rich__(self) -> Group:
        return Group(*map(_whole, self.text.splitlines()))


@dataclass(frozen=True)
class ConfigSecrets:
    """The only result in which secrets stand."""

    stack: str
    file: Path
    secrets: dict[str, str]

    def __rich__(self) -> Group:
        return Group(*(_whole(f"{name}: {value}") for name, value in self.secrets.items()))


def show(loaded: LoadedSettings, *, with_sources: bool = False) -> ConfigShow:
    """What holds, secrets masked."""
    return ConfigShow(loaded.file, shown(SCHEMA, loaded.settings, loaded.sources), with_sources)


def set_values(
    words: Sequence[str], environ: Mapping[str, str], cwd: Path, *, file: Path | None = None, stack: str | None = None
) -> ConfigSet:
    """Write KEY VALUE, as often as given, into the settings file; a flag of an earlier `up` that said otherwise is
    forgotten. InvalidSettings, FolderNotUsable.
    """
    where = _stack(environ, cwd, file, stack)
    before = memory.read(where) if where else Remembered()
    place = settings_file.which(environ, cwd, file, before)
    wanted = settings_file.changes(words, place, cwd)
    settings_file.write(place, wanted)
    after = before.without(frozenset(change.row.key for change in wanted))
    if where and after != before:
        memory.write(where, after)
    return ConfigSet(place, tuple(_was(change, environ, before) for change in wanted))


def _stack(environ: Mapping[str, str], cwd: Path, file: Path | None, name: str | None) -> Places | None:
    """Whose flags are meant; None where the settings are not such that they name a stack: they are being put right."""
    try:
        return places(stack_name(name, environ, cwd, file=file))
    except InvalidSettings:
        return None


def example() -> ConfigText:
    """A settings file with every key, its default and what it allows."""
    return ConfigText(config_docs.PAGES.as_example())


def show_secrets(stack: str, say: Callable[[str], None]) -> ConfigSecrets:
    """The stack's secrets in clear. NotRunning where it has none yet."""
    where = places(stack)
    return ConfigSecrets(stack, where.secrets, secrets.shown(secrets.read(where, say)))


def user_unit(loaded: LoadedSettings, environ: Mapping[str, str], cwd: Path) -> ConfigText:
    """A systemd user unit that runs this stack in the foreground, with the file and the settings that it has now."""
    program = Path(sys.executable).with_name("embedstack")
    file = ("--config", str(loaded.file.absolute())) if loaded.file else ()
    stack = loaded.settings.stack.name
    argv = (str(program), "up", "--foreground", "--mode", "native", "--stack", stack, *file, *_assignments(loaded))
    kept = {name: environ[name] for name in _KEPT if environ.get(name) and _open(environ[name])}
    return ConfigText(systemd_unit(stack, argv, cwd.absolute(), kept))


def _assignments(loaded: LoadedSettings) -> Iterator[str]:
    """What variables and flags say, as --set: systemd has another environment. What must not be shown is left out."""
    notes = {"default", str(loaded.file)}
    for key, row in SCHEMA.table.items():
        value = getattr(getattr(loaded.settings, row.section), row.name)
        if loaded.sources[key] not in notes and key not in ("stack.name", "stack.mode") and row.masked(value) == value:
            yield from ("--set", f"{key}={value if isinstance(value, str | Path) else row.show(value)}")


def _open(value: str) -> bool:
    """Whether no password of a URL is in it."""
    return bool(SCHEMA.table["hub.endpoint"].masked(value) == value)


def _was(change: settings_file.Change, environ: Mapping[str, str], before: Remembered) -> Was:
    row = change.row
    flag = before.flags.get(row.key)
    variable = row.variable if row.variable in environ else None
    return Was(row.key, row.show(change.value), variable, flag.flag if flag else None)


def _whole(line: str) -> Text:
    """Never wrapped or cut: it is for copying."""
    return Text(line, no_wrap=True, overflow="ignore")
