"""What the configuration asks to serve, held against the catalogue: names that only the catalogue can judge."""

from dataclasses import dataclass, replace

from embedstack.bridge.errors import BridgeError
from embedstack.bridge.settings.load import Loaded
from embedstack.bridge.text import names
from embedstack.bridge.text.names import Alias, Names
from embedstack.bridge.text.prompts import SYNONYMS
from embedstack.configuration.validation import did_you_mean
from embedstack.models import catalog
from embedstack.models.catalog import Catalog, CatalogError, Model, PromptStyle, Task
from embedstack.words import canonical


@dataclass(frozen=True)
class Served:
    """The model, and how its texts are rendered. `precision` None: what the engine says of itself."""

    model: Model
    precision: str | None
    style: PromptStyle
    tasks: dict[str, Task]


def served(loaded: Loaded) -> Served:
    """The model, precision, style and tasks that are configured.

    CatalogError for a catalogue that cannot be used; ConfigError, with source, key, value and what is allowed, for a
    model, precision, dimension, style, task or alias that does not exist.
    """
    settings = loaded.settings
    known = catalog.load(settings.model.catalog)
    model, precision = _model(loaded, known)
    tasks = settings.prompts.merged(model.tasks)
    if settings.prompts.style not in known.styles:
        hint = did_you_mean(settings.prompts.style, known.styles)
        raise loaded.error("prompts.style", f"no style {settings.prompts.style!r}{hint}")
    if (asked := settings.model.dimensions) is not None and asked > model.dimensions:
        allowed = f"{model.min_dimensions} to {model.dimensions}"
        raise loaded.error("model.dimensions", f"expected {allowed} for {model.id}, got {asked}")
    _check_task(loaded, "prompts.default", settings.prompts.default, tasks)
    _check_aliases(loaded, model, precision, tasks)
    return Served(model, precision, known.styles[settings.prompts.style], tasks)


def _model(loaded: Loaded, known: Catalog) -> tuple[Model, str | None]:
    """A name of one precision, as `qwen3-embedding:4b-q8_0`, asks for that precision."""
    given = loaded.settings.model
    try:
        model, named = known.find(given.id)
    except CatalogError as error:
        raise loaded.error("model.id", str(error)) from error
    if given.precision is None:
        return model, named
    try:
        precision = model.precision(given.precision)
    except CatalogError as error:
        raise loaded.error("model.precision", str(error)) from error
    if named not in (None, precision):
        raise loaded.error("model.precision", f"{precision!r} contradicts model.id {given.id!r}, which is {named}")
    return model, precision


def _check_aliases(loaded: Loaded, model: Model, precision: str | None, tasks: dict[str, Task]) -> None:
    """Each alias leads to what it says, asked for as a client would: by a name that no other takes."""
    aliases = loaded.settings.model.aliases
    served = model.precisions if precision is None else (precision,)
    worlds = [Names(model.names_for(each), aliases) for each in served]
    for alias, target in aliases.items():
        key = f"model.aliases.{alias}"
        try:
            parsed = names.parse(target)
        except BridgeError as error:
            raise loaded.error(key, error.message) from error
        found = [_comparable(there) for there in (_asked(world, alias) for world in worlds) if there is not None]
        if not alias.strip() or "@" in alias:
            raise loaded.error(key, "no request can ask for it: a name is not empty, and has no @ before its options")
        if not found:
            serves = f", served as {precision}" if precision else ", the model served"
            raise loaded.error(key, f"{parsed.base!r} is not a name of {model.id}{serves}")
        if _comparable(parsed) not in found:
            raise loaded.error(key, "another alias has this name, but for capitals or `:latest`; remove one of them")
        if parsed.task is not None:
            _check_task(loaded, key, parsed.task, tasks)
        if parsed.dimensions is not None and not model.min_dimensions <= parsed.dimensions <= model.dimensions:
            allowed = f"{model.min_dimensions} to {model.dimensions}"
            raise loaded.error(key, f"expected {allowed} dimensions, got {parsed.dimensions}")


def _comparable(name: Alias) -> Alias:
    return replace(name, base=canonical(name.base))


def _asked(known: Names, name: str) -> Alias | None:
    try:
        return known.resolve(name)
    except BridgeError:
        return None


def _check_task(loaded: Loaded, key: str, name: str, tasks: dict[str, Task]) -> None:
    known = {*(task.lower() for task in tasks), *SYNONYMS}
    if name.lower() not in known:
        raise loaded.error(key, f"no role or task {name!r}{did_you_mean(name.lower(), sorted(known))}")
