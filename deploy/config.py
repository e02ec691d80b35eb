"""From defaults, embedstack.yaml, the environment and flags, weak to strong, to `Settings` and where each came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import InvalidSettings
from deploy.settings import Settings
from modelfiles.configuration import layers
from modelfiles.configuration.build import build, sources
from modelfiles.configuration.layers import ConfigError, Given, Layer
from modelfiles.configuration.schema import Schema

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


@dataclass(frozen=True)
class Loaded:
    """The settings.

    Attributes:
        sources: by key (`engine.url`), where its value came from: `default`, a file, a variable, a flag.
        file: the file that was read, if any.
    """

    settings: Settings
    sources: dict[str, str]
    file: Path | None = None

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
) -> Loaded:
    """Read the settings; InvalidSettings for anything that cannot be used.

    `flags` has, by setting, what a short flag gave; one that is None was not given. `assignments` are those of --set,
    `file` is that of --config. A relative path is relative to its file, or to `cwd`: where we are, unless given.
    """
    here = cwd or Path.cwd()
    with refusing():
        found = layers.find_file(SCHEMA, None if file is None else str(file), environ, here)
        given = {**layers.from_file(SCHEMA, found), **stronger(flags, environ, assignments)}
        return Loaded(build(SCHEMA, given, cwd=here), sources(SCHEMA, given), found)


def stronger(flags: Mapping[str, object], environ: Mapping[str, str], assignments: Sequence[str] = ()) -> Layer:
    """All that is stronger than the file. ConfigError."""
    return {
        **layers.from_environment(SCHEMA, environ),
        **layers.from_assignments(SCHEMA, assignments),
        **_from_flags(flags),
    }


@contextmanager
def refusing() -> Iterator[None]:
    """A ConfigError of the block as InvalidSettings."""
    try:
        yield
    except ConfigError as error:
        raise InvalidSettings(_sentence(str(error)), ADVICE) from error


def _from_flags(flags: Mapping[str, object]) -> Layer:
    layer: Layer = {}
    for key, value in flags.items():
        if value is not None:
            row = layers.find(SCHEMA, key, "flags")
            source = f"--{_SHORT.get(key, row.name.replace('_', '-'))}"
            layer[key] = Given(str(value) if isinstance(value, Path) else value, source)
    return layer


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."
