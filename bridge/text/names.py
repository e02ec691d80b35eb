"""Which model a request means, and what its name asks for: `qwen3-embedding:4b@query,1024`. Pure."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from embedstack.bridge.errors import BadRequest, UnknownModel, shown
from embedstack.words import canonical

# Longer names are nobody's slip of the pen, and looking for the nearest takes time that grows with them.
_LONGEST_MISTYPED = 200
# A name may have blanks around its options, and so be of any length.
_LONGEST_KEPT = 200
# NVIDIA's way to say a role in the name of a model.
_SUFFIXES = ("query", "passage")
# What a list offers of the names with options, of which there are thousands.
_OFFERED_ROLES = ("query", "document")
_OFFERED_SIZES = (256, 512, 1024)
_SIZE = re.compile(r"(?<![\d.])\d+(?:\.\d+)?b(?![a-z0-9])")
_PRECISION = re.compile(r"bf16|fp?16|fp?32|i?q\d(?:_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name taken apart: the bare model name and the options after `@`."""

    base: str
    task: str | None = None
    dimensions: int | None = None


def parse(name: str) -> Alias:
    """Take `base@option,option` apart: a whole number is a dimension, anything else a role or task."""
    base, separator, options = name.partition("@")
    if options.lower().endswith(":latest"):  # Open WebUI puts it behind every name without a tag
        options = options[: -len(":latest")]
    task: str | None = None
    dimensions: int | None = None
    for option in options.split(",") if separator else ():
        option = option.strip()
        if option.isascii() and option.isdigit() and len(option) < 10 and dimensions is None:
            dimensions = int(option)
        elif option and not option.isdigit() and task is None:
            task = option
        else:
            raise BadRequest(
                f"The model name {shown(name)} has an option {shown(option)} that cannot be read.",
                "After the @ stand at most one role or task and one dimension: name@query,1024.",
                code="invalid_alias",
            )
    return Alias(base, task, dimensions)


class Names:
    """The names that one served model answers to, compared as Ollama compares them (`canonical`)."""

    def __init__(
        self, names: Sequence[str], aliases: Mapping[str, str], *, model: str | None = None, native: int = 0
    ) -> None:
        """`model` is the catalogue's id, `native` the model's size: clients that look their model up in the list
        (LangChain) find these names with the commonest options."""
        name = model or names[0]
        sizes = [size for size in _OFFERED_SIZES if size < native]
        roles = [f"@{role}" for role in _OFFERED_ROLES]
        options = [*roles, *(f"@{size}" for size in sizes), *(f"{role},{size}" for role in roles for size in sizes)]
        self.listed = tuple(dict.fromkeys((names[0], name, *aliases)))
        self.offered = (*self.listed, *(name + option for option in options))
        self._names = tuple(names)
        self._bases = {canonical(name): name for name in reversed(names)}
        self._written = dict(aliases)
        self._aliases = {canonical(name): target for name, target in aliases.items()}
        self._known = lru_cache(maxsize=256)(self._resolved)  # a handful of names is in all requests

    def resolve(self, name: str) -> Alias:
        """The alias behind a name. UnknownModel, with the nearest and the known names, where it is another model's."""
        return self._known(name) if len(name) <= _LONGEST_KEPT else self._resolved(name)

    def _resolved(self, name: str) -> Alias:
        asked = parse(name)
        target = self._target(asked.base) or self._with_suffix(asked)
        if target is None:
            raise self._unknown(asked.base, name)
        dimensions = target.dimensions if asked.dimensions is None else asked.dimensions
        return Alias(target.base, asked.task or target.task, dimensions)

    def _target(self, base: str) -> Alias | None:
        """The served model's own name, and what an alias for it says besides."""
        key = canonical(base)
        target = parse(self._aliases.get(key, key))
        known = self._bases.get(canonical(target.base))
        return None if known is None else Alias(known, target.task, target.dimensions)

    def _with_suffix(self, asked: Alias) -> Alias | None:
        key = canonical(asked.base)
        for role in _SUFFIXES:
            if not key.endswith(f"-{role}") or (target := self._target(key.removesuffix(f"-{role}"))) is None:
                continue
            if asked.task is not None and asked.task.lower() != role:
                raise BadRequest(
                    f"The model name {shown(asked.base)} ends in -{role}, and the option {shown(asked.task)} behind it "
                    "is another role or task.",
                    "Say it once, after the @: name@query,1024.",
                    code="invalid_alias",
                )
            return Alias(target.base, role, target.dimensions)
        return None

    def _unknown(self, base: str, name: str) -> UnknownModel:
        known = (*self._written, *self._names)
        typed = base.lower()[:_LONGEST_MISTYPED]
        near = difflib.get_close_matches(typed, [one for one in known if self._may_mean(typed, one)], n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return UnknownModel(
            f"model {shown(name)} not found: it is not served here.{hint}",
            f"Served: {', '.join(known)}; each may be followed by @role, @dimensions or both.",
        )

    def _may_mean(self, typed: str, known: str) -> bool:
        """Another size or quantisation is not a typing error: its vectors are another model's. A name without a size is
        that of Ollama's default, whatever that is."""
        sizes, named = _marks(_SIZE, typed), _marks(_SIZE, known)
        if sizes and known in self._written:
            named |= _marks(_SIZE, self._written[known])
        return sizes == named and _marks(_PRECISION, typed) <= _marks(_PRECISION, known)


def _marks(pattern: re.Pattern[str], name: str) -> set[str]:
    return {mark.replace("fp", "f") for mark in pattern.findall(name.lower())}
