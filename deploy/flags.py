"""The flags that a stack was brought up with, kept beside its data: every later command acts on the same stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from embedstack.configuration.layers import Given, Layer
from embedstack.deploy.errors import FileDamaged, FolderNotUsable, InvalidSettings
from embedstack.deploy.places import Places
from embedstack.host import files
from embedstack.readers import json_file
from embedstack.readers.content import DamagedFile

REMEDY = "`embedstack up --forget` brings the stack up by the flags that it is given, and by none of before."
_OF_BEFORE = " of an earlier `up`"
_OF_A_MODEL = ("model.quantisation", "model.num_ctx", "model.dimensions")
"""Said of one model: another one has other files, contexts and sizes."""


@dataclass(frozen=True)
class Flag:
    """The value of a setting, and the flag that gave it, as `--model` or `--set`."""

    value: Any
    flag: str


@dataclass(frozen=True)
class Remembered:
    """What `up` was given.

    Attributes:
        flags: by setting. No `stack.name`: that is how the stack was found.
        file: the settings file that was read, None for none, or for the user's own, which is found from everywhere.
        named: whether --config named it. Then it counts more than one in the current folder, else less.
        model: the model of that `up`, no matter who named it: a flag, the environment, a file. None if none was kept.
    """

    flags: Mapping[str, Flag] = field(default_factory=dict)
    file: str | None = None
    named: bool = False
    model: str | None = None

    @property
    def layer(self) -> Layer:
        return {key: Given(flag.value, f"{flag.flag}{_OF_BEFORE}") for key, flag in self.flags.items()}

    def then(self, given: Layer, weaker: Layer, default_model: str) -> Layer:
        """The layer where `given` is stronger and `weaker` weaker: another model than before has none of its flags."""
        known = {**weaker, **self.layer}
        before = self.model or known.get("model.id", Given(default_model, "")).value
        other = {**known, **given}.get("model.id", Given(default_model, "")).value != before
        return {key: value for key, value in self.layer.items() if not (other and key in _OF_A_MODEL)}

    def without(self, keys: frozenset[str]) -> Remembered:
        """What is left where these settings are said elsewhere now."""
        if "model.id" in keys:
            keys = keys.union(_OF_A_MODEL)
        flags = {key: flag for key, flag in self.flags.items() if key not in keys}
        return replace(self, flags=flags)


def flag(source: str) -> str:
    """The flag that a source of `Remembered.layer` names."""
    return source.removesuffix(_OF_BEFORE)


def mentioned_in(text: str) -> bool:
    """Whether a text names such a source."""
    return _OF_BEFORE in text


def read(places: Places) -> Remembered:
    """Nothing where there is no such stack. FileDamaged, FolderNotUsable."""
    try:
        return json_file.read(places.flags, Remembered)
    except (FileNotFoundError, NotADirectoryError):
        return Remembered()
    except OSError as error:
        raise FolderNotUsable(
            f"{places.flags} cannot be read: {error.strerror}.",
            "Make it yours, or name another folder in EMBEDSTACK_HOME.",
        ) from error
    except DamagedFile as error:
        raise FileDamaged(
            f"{places.flags}, which has the flags that the stack was brought up with, is damaged: {error.detail}.",
            REMEDY,
        ) from error


def write(places: Places, remembered: Remembered) -> None:
    """0600, since an address may hold a password. FolderNotUsable."""
    try:
        places.create()
        files.write(places.flags, msgspec.json.format(msgspec.json.encode(asdict(remembered))))
    except OSError as error:
        raise FolderNotUsable(
            f"{places.root} cannot be written: {error.strerror}.", "Name another folder in EMBEDSTACK_HOME."
        ) from error


def file_to_read(remembered: Remembered, found: Path | None, cwd: Path, name: str) -> Path | None:
    """The settings file where neither --config nor a variable names one; `found` is the usual one, of `name` in `cwd`.

    InvalidSettings where the one of --config is gone.
    """
    if remembered.file is None or (not remembered.named and found == cwd / name):
        return found
    known = Path(remembered.file)
    if known.is_file():
        return known
    if remembered.named:
        raise InvalidSettings(
            f"--config{_OF_BEFORE} names {known}, which is not there.",
            f"Put it back, or name another with --config. {REMEDY}",
        )
    return found
