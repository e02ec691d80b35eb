"""From defaults, embedstack.yaml, the flags of an earlier `up`, the environment and flags, weak to strong, to settings
and where each came from.

An embed-bridge.yaml of the user's, held against what the stack sets on top of it, before any bridge reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedstack.configuration import layers
from embedstack.configuration.build import build, sources
from embedstack.configuration.layers import ConfigError, Given, Layer
from embedstack.configuration.schema import Schema
from embedstack.deploy import flags as memory
from embedstack.deploy.advice import OTHER_WAY
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.flags import Flag, Remembered
from embedstack.deploy.places import places
from embedstack.deploy.settings import ModelSettings, Settings
from embedstack.readers import yaml_file
from embedstack.readers.content import DamagedFile

if TYPE_CHECKING:
    from embedstack.deploy.plan.plan import PlannedEngine  # a plan is more than most verbs load

SCHEMA = Schema(
    Settings,
    "EMBEDSTACK_",
    "embedstack.yaml",
    # No settings of a stack: folders, what opens a bridge or an Open WebUI that somebody else runs, and the mark of a
    # stack's parts.
    reserved=frozenset(
        f"EMBEDSTACK_{name}" for name in ("HOME", "CACHE", "ENGINES", "KEY", "BRIDGE_KEY", "WEBUI_TOKEN", "PART")
    ),
)
ADVICE = "`embedstack config example` prints every setting with what it allows; docs/stack.md explains them."
_SHORT = {"stack.name": "stack", "model.id": "model", "engine.kind": "engine", "webui.enabled": "webui"}
"""Short flags that are not called as the setting is."""
_MODEL = ModelSettings().id


@dataclass(frozen=True)
class LoadedSettings:
    """The settings.

    Attributes:
        sources: by key (`engine.url`), where its value came from: `default`, a file, a variable, a flag.
        file: the file that was read, if any.
        remember: the flags by which the stack would come up just so: those of before, with those of now on top.
    """

    settings: Settings
    sources: dict[str, str]
    file: Path | None = None
    remember: Remembered = field(default_factory=Remembered)

    def error(self, key: str, problem: str) -> InvalidSettings:
        """An error about a key whose value only proved wrong later, as a model that the catalogue lacks."""
        return InvalidSettings(f"{self.sources[key]}: {key}: {problem}", ADVICE)


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path | None = None,
    *,
    file: Path | None = None,
    assignments: Sequence[str] = (),
    forget: bool = False,
) -> LoadedSettings:
    """Read the settings; InvalidSettings for anything that cannot be used.

    `flags` has, by setting, what a short flag gave; one that is None was not given. `assignments` are those of --set,
    `file` is that of --config. A relative path is relative to its file, or to `cwd`: where we are, unless given.
    `forget`: what an earlier `up` was given does not count.
    """
    here = cwd or Path.cwd()
    with refusing():
        found = layers.find_file(SCHEMA, None if file is None else str(file), environ, here)
        first = {**layers.from_file(SCHEMA, found), **stronger(flags, environ, assignments)}
        name = build(SCHEMA, first, cwd=here).stack.name
    before = Remembered() if forget else memory.read(places(name))
    if file is None and SCHEMA.file_variable not in environ:
        found = memory.file_to_read(before, found, here, SCHEMA.file_name)
    with refusing():
        from_file = layers.from_file(SCHEMA, found)
        strong = stronger(flags, environ, assignments)
        kept = {key: given for key, given in before.then(strong, from_file, _MODEL).items() if key in SCHEMA.table}
        given = {**from_file, **kept, **strong, "stack.name": first.get("stack.name", Given(name, "default"))}
        settings = build(SCHEMA, given, cwd=here)
    remember = _remember({**kept, **_typed(flags, assignments)}, found, here, named=_named(before, found, file))
    remember = replace(remember, model=settings.model.id)
    return LoadedSettings(settings, sources(SCHEMA, given), found, remember)


def stack_name(
    flag: str | None,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    *,
    file: Path | None = None,
    assignments: Sequence[str] = (),
) -> str:
    """Which stack is meant, without a look at what that was brought up with. InvalidSettings."""
    return load({"stack.name": flag}, environ, cwd, file=file, assignments=assignments, forget=True).settings.stack.name


def _remember(layer: Layer, found: Path | None, cwd: Path, *, named: bool) -> Remembered:
    """As from anywhere else: paths are absolute."""
    flags = {
        key: Flag(_absolute(key, given.value, cwd), memory.flag(given.source))
        for key, given in layer.items()
        if key != "stack.name"
    }
    everywhere = found is None or (not named and found == layers.user_file(SCHEMA))
    return Remembered(flags, None if everywhere or found is None else str(cwd / found), named)


def _absolute(key: str, value: object, cwd: Path) -> object:
    return str(cwd / Path(value).expanduser()) if SCHEMA.table[key].is_path and isinstance(value, str) else value


def _named(before: Remembered, found: Path | None, file: Path | None) -> bool:
    return file is not None or (before.named and found is not None and str(found) == before.file)


def stronger(flags: Mapping[str, object], environ: Mapping[str, str], assignments: Sequence[str] = ()) -> Layer:
    """All that is stronger than the file and the flags of before. ConfigError."""
    return {**layers.from_environment(SCHEMA, environ), **_typed(flags, assignments)}


def _typed(flags: Mapping[str, object], assignments: Sequence[str]) -> Layer:
    return {**layers.from_assignments(SCHEMA, assignments), **_from_flags(flags)}


@contextmanager
def refusing() -> Iterator[None]:
    """A ConfigError of the block as InvalidSettings."""
    try:
        yield
    except ConfigError as error:
        advice = f"{ADVICE} {memory.REMEDY}" if memory.mentioned_in(str(error)) else ADVICE
        raise InvalidSettings(str(error), advice) from error


def flag_of(key: str, value: object) -> str:
    """The short flag that gives a setting this value, where it has one."""
    flag = f"--{_SHORT.get(key, key.partition('.')[2].replace('_', '-'))}"
    return OTHER_WAY[flag] if value is False else flag


def _from_flags(flags: Mapping[str, object]) -> Layer:
    layer: Layer = {}
    for key, value in flags.items():
        if value is not None:
            row = layers.find(SCHEMA, key, "flags")
            layer[row.key] = Given(str(value) if isinstance(value, Path) else value, flag_of(key, value))
    return layer


ENGINE = "which engines there are is for the stack to say: engine.url and engine.kind of the stack's own settings"
ADMIN = "the stack has made a key, which `embedstack config secrets` prints"


def check(file: Path | None, engine: PlannedEngine) -> None:
    """InvalidSettings for a file that cannot be read, or has what a bridge refuses beside what the stack sets."""
    if file is None:
        return
    # Of engine.gguf and engine.url the stack sets the one that its engine has; the bridge refuses both at once.
    other = "url" if engine.kind == "embedded" else "gguf"
    refused = {("security", "admin_key"): ADMIN, ("pool", "upstreams"): ENGINE, ("engine", other): ENGINE}
    document = _document(file)
    for (section, key), why in refused.items():
        if _said(document, section, key):
            raise InvalidSettings(
                f"{file}, which bridge.config names, sets {section}.{key}: {why}.", f"Take {section}.{key} out of it."
            )


def _document(file: Path) -> Any:
    try:
        return yaml_file.read(file)
    except OSError as error:
        raise InvalidSettings(f"{file} cannot be read: {error.strerror}.", "Put bridge.config right.") from error
    except DamagedFile as error:
        raise InvalidSettings(
            f"{file}, which bridge.config names, is not YAML: {error.detail}.", "Correct it."
        ) from error


def _said(document: Any, section: str, key: str) -> bool:
    """A file of another shape is for the bridge to refuse, which knows what is allowed."""
    keys = document.get(section) if isinstance(document, dict) else None
    return isinstance(keys, dict) and bool(keys.get(key))
