"""embedstack.yaml, changed: which file it is, and the new values in it, checked before anything is written."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedstack.configuration import layers, yaml_edit
from embedstack.configuration.build import build
from embedstack.configuration.setting import Setting
from embedstack.deploy.config import ADVICE, SCHEMA, refusing
from embedstack.deploy.errors import FolderNotUsable, InvalidSettings
from embedstack.deploy.flags import Remembered, file_to_read
from embedstack.host import files
from embedstack.readers import content, yaml_file
from embedstack.readers.content import Damaged, DamagedFile

SOURCE = "config set"
_HEAD = "# Settings of the stack. `embedstack config example` prints every one with what it allows.\n\n"


@dataclass(frozen=True)
class Change:
    """A setting and the value it is to have, as it is written."""

    row: Setting
    value: object


def which(environ: Mapping[str, str], cwd: Path, file: Path | None, before: Remembered) -> Path:
    """The file that is read now, else the one that would be: the one named, else that of the current folder. `before`:
    what the stack was brought up with.
    """
    named = str(file) if file else environ.get(SCHEMA.file_variable)
    if named:
        return cwd / Path(named).expanduser()
    with refusing():
        found = layers.find_file(SCHEMA, None, environ, cwd)
    return file_to_read(before, found, cwd, SCHEMA.file_name) or cwd / SCHEMA.file_name


def changes(words: Sequence[str], file: Path, cwd: Path) -> list[Change]:
    """KEY VALUE, as often as wanted; InvalidSettings for a key without a value and for one that is unknown."""
    if not words or len(words) % 2:
        raise InvalidSettings(
            f"{SOURCE}: expected KEY VALUE [KEY VALUE …], got {' '.join(words) or 'nothing'}.", ADVICE
        )
    with refusing():
        rows = [layers.find(SCHEMA, key, SOURCE) for key in words[::2]]
        parsed = [layers.parse(row, text, SOURCE) for row, text in zip(rows, words[1::2], strict=True)]
    return [Change(row, _placed(row, value, file, cwd)) for row, value in zip(rows, parsed, strict=True)]


def write(file: Path, wanted: Sequence[Change]) -> None:
    """Set the values in the file, which is made where there is none, and keep all else as it stands.

    InvalidSettings where a value is not allowed or the file cannot be changed without losing what people wrote in it;
    FolderNotUsable where it cannot be written. Then the file is as it was.
    """
    text = before = _read(file)
    for change in wanted:
        edited = yaml_edit.set_value(text, change.row, change.value)
        if edited is None:
            raise InvalidSettings(
                f"{file}: {change.row.key} cannot be set without rewriting what you wrote there.",
                f"Change it by hand: `{change.row.name}: …` below `{change.row.section}:`.",
            )
        text = edited
    _check(text, file, {change.row.key for change in wanted})
    if text != before:
        _write(file, text)


def _placed(row: Setting, value: object, file: Path, cwd: Path) -> object:
    """A path as typed here means the same in a file that lies elsewhere."""
    if row.is_path and isinstance(value, str) and file.parent != cwd:
        return str(cwd / Path(value).expanduser())
    return value


def _check(text: str, file: Path, changed: set[str]) -> None:
    with refusing():
        layer = layers.from_text(SCHEMA, text, file)
        blamed = {key: given._replace(source=SOURCE) if key in changed else given for key, given in layer.items()}
        build(SCHEMA, blamed, cwd=file.parent)


def _read(file: Path) -> str:
    try:
        text = content.read_text(file)
        yaml_file.parse(text)
    except FileNotFoundError:
        return _HEAD
    except OSError as error:
        raise InvalidSettings(f"{file}: it cannot be read: {error.strerror}.", ADVICE) from error
    except DamagedFile as error:
        raise InvalidSettings(f"{error}.", ADVICE) from error
    except Damaged as error:
        raise InvalidSettings(f"{file}: {error}.", ADVICE) from error
    return text


def _write(file: Path, text: str) -> None:
    place = file.resolve()  # through a link: dotfiles are often kept elsewhere
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o644
        files.write(place, text.encode(), mode)
    except OSError as error:
        raise FolderNotUsable(
            f"{file} cannot be written: {error.strerror}.", "Name another file with --config, or in EMBEDSTACK_CONFIG."
        ) from error
