"""The model catalogue: catalog.yaml and, optionally, a file of the user's own.

Every figure has its source in catalog.yaml. An unknown figure is None, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import embedstack
from embedstack.configuration import validation
from embedstack.models.model import (
    MIN_DIMENSIONS,
    CatalogError,
    Context,
    HeaderFacts,
    Model,
    ModelFile,
    NotInCatalog,
    PromptStyle,
    Reference,
    Safetensors,
    Scores,
    Task,
    WrongCatalog,
)
from embedstack.readers import yaml_file
from embedstack.readers.content import DamagedFile
from embedstack.words import canonical

__all__ = [
    "MIN_DIMENSIONS",
    "Catalog",
    "CatalogError",
    "Context",
    "HeaderFacts",
    "Model",
    "ModelFile",
    "Named",
    "NotInCatalog",
    "PromptStyle",
    "Reference",
    "Safetensors",
    "Scores",
    "Task",
    "WrongCatalog",
    "load",
]


DATA = Path(embedstack.__file__).parent / "modelfiles"
"""The folder of the catalogue, the Modelfile template, and the demo model's data."""


class Named(NamedTuple):
    """What a name means. `precision` None: the name does not specify one."""

    model: Model
    precision: str | None


class Catalog(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All models and prompt styles."""

    styles: dict[str, PromptStyle]
    tasks: dict[str, Task]
    models: dict[str, Model]

    def find(self, name: str) -> Named:
        """The model that a name means, at any precision. NotInCatalog, with the nearest known name, if unknown."""
        known = {canonical(given): named for given, named in self._names()}
        try:
            return known[canonical(name)]
        except KeyError:
            raise NotInCatalog(f"no model {name!r}{validation.did_you_mean(name, self.models)}") from None

    def _names(self) -> Iterator[tuple[str, Named]]:
        for model in self.models.values():
            for file in model.files:
                yield from ((name, Named(model, None)) for name in model.names_for(file.quantisation))
            for file in model.files:  # after the general names, so that a tag of one precision wins
                yield from ((name, Named(model, file.quantisation)) for name in file.names)


def load(extra: Path | None = None) -> Catalog:
    """The shipped catalogue. The models, tasks and styles of `extra` are added, or replace ours.

    WrongCatalog, which names file, key and value, if either file is invalid.
    """
    tasks, shipped = _shipped()
    if extra is None:
        return shipped
    name = str(extra)
    own = _build(_read(extra, name), tasks, extra.parent, name)
    whole = Catalog(
        styles={**shipped.styles, **own.styles},
        tasks={**shipped.tasks, **own.tasks},
        models={**shipped.models, **own.models},
    )
    _check_whole(whole, name)
    return whole


@cache
def _shipped() -> tuple[Mapping[str, Any], Catalog]:
    """Our tasks as written, which every model inherits, and the catalogue. Reading takes 50 ms."""
    name = "catalog.yaml"
    document = _read(DATA / name, name)
    catalog = _build(document, {}, DATA, name)
    _check_whole(catalog, name)
    return document["tasks"], catalog


def _check_whole(catalog: Catalog, name: str) -> None:
    """Check what concerns several parts: a style that does not exist, a name that means two models, scores with more
    dimensions than the model has.
    """
    owners: dict[str, str] = {}
    for model in catalog.models.values():
        for index, scores in enumerate(model.reference.scores if model.reference else ()):
            if scores.dimensions > model.dimensions:
                place = f"models.{model.id}.reference.scores[{index}].dimensions"
                raise WrongCatalog(f"{name}: {place}: {scores.dimensions}, but the model has {model.dimensions}")
        if model.style not in catalog.styles:
            hint = validation.did_you_mean(model.style, catalog.styles)
            raise WrongCatalog(f"{name}: models.{model.id}.style: no style '{model.style}'{hint}")
        for given in {name for precision in model.precisions for name in model.names_for(precision)}:
            other = owners.setdefault(canonical(given), model.id)
            if other != model.id:
                raise WrongCatalog(f"{name}: models.{model.id}: '{given}' already means {other}")


def _read(file: Path, name: str) -> dict[str, Any]:
    """A file's mapping, without the keys that only contain YAML anchors. `name`: the file's name in errors."""
    try:
        document = yaml_file.read(file)
    except OSError as error:
        raise WrongCatalog(f"{name}: cannot be read: {error.strerror}") from error
    except DamagedFile as error:
        raise WrongCatalog(f"{name}: {error.detail}") from error
    except ValueError as error:  # an impossible file name
        raise WrongCatalog(f"{name}: cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise WrongCatalog(f"{name}: expected a mapping, got {validation.show(document)}")
    return {key: value for key, value in document.items() if not str(key).startswith("x-")}


def _build(document: dict[str, Any], tasks: Mapping[str, Any], folder: Path, name: str) -> Catalog:
    """The catalogue of one file; its models inherit `tasks` and the file's own tasks."""
    everyone = {**tasks, **_mapping(document.get("tasks"))}
    models = {
        key: _complete(key, model, everyone, folder, name) if isinstance(model, dict) else model
        for key, model in _mapping(document.get("models")).items()
    }
    whole = {"styles": {}, "tasks": {}, **document, "models": models}
    try:
        return validation.convert(whole, Catalog)
    except validation.InvalidError as error:
        raise WrongCatalog(f"{name}: {error}") from error


def _complete(key: str, model: dict[str, Any], tasks: Mapping[str, Any], folder: Path, name: str) -> dict[str, Any]:
    """The model with its id, the inherited tasks, and its reference, which may be in a file of its own."""
    whole = {**model, "id": key, "tasks": {**tasks, **_mapping(model.get("tasks"))}}
    if isinstance(reference := model.get("reference"), str):
        whole["reference"] = _read(folder / reference, f"{name}: models.{key}.reference: {reference}")
    return whole


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
