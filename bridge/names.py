"""Which model a request means, and what its name asks for: `qwen3-embedding:4b@query,1024`. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import BadRequest, UnknownModel, shown

# Longer names are nobody's slip of the pen, and looking for the nearest takes time that grows with them.
_LONGEST_MISTYPED = 200


@dataclass(frozen=True, slots=True)
class Alias:
    """A name taken apart: the bare model name and the options after `@`."""

    base: str
    task: str | None = None
    dimensions: int | None = None


def parse(name: str) -> Alias:
    """Take `base@option,option` apart: a whole number is a dimension, anything else a role or task."""
    base, separator, options = name.partition("@")
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
    """The names that one served model answers to, compared as Ollama compares them: without case, `:latest` implied."""

    def __init__(self, names: Sequence[str], aliases: Mapping[str, str], *, model: str | None = None) -> None:
        """`model` is the catalogue's id: clients that look their model up in the list (LangChain) ask for that."""
        self.listed = tuple(dict.fromkeys((names[0], model or names[0], *aliases)))
        self._names = tuple(names)
        self._bases = {_canonical(name) for name in names}
        self._aliases = {_canonical(name): target for name, target in aliases.items()}

    def resolve(self, name: str) -> Alias:
        """The alias behind a name. UnknownModel, with the nearest and the known names, where it is another model's."""
        asked = parse(name)
        target = parse(self._aliases.get(_canonical(asked.base), asked.base))
        if _canonical(target.base) in self._bases:
            dimensions = target.dimensions if asked.dimensions is None else asked.dimensions
            return Alias(target.base, asked.task or target.task, dimensions)
        known = [*self._aliases, *self._names]
        near = difflib.get_close_matches(asked.base.lower()[:_LONGEST_MISTYPED], known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownModel(
            f"model {shown(name)} not found: it is not served here.{hint}",
            f"Served: {', '.join(known)}; each may be followed by @role, @dimensions or both.",
        )


def _canonical(name: str) -> str:
    return name.strip().lower().removesuffix(":latest")
