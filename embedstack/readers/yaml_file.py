"""YAML, as plain Python values, whatever a person has written.

PyYAML's SafeLoader lets through what its constructors trip over (a date with a 45th day, an integer of 5,000 digits),
takes the last of two equal keys without a word, and builds a structure that stands for gigabytes out of nine lines.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from embedstack.readers import content
from embedstack.readers.content import Damaged, DamagedFile, Place

MOST_BYTES = 4 * 2**20  # PyYAML takes some ten seconds for so many
DEEPEST = 60  # levels; no file of ours has ten
MOST_VALUES = 200_000  # with each alias counted as what it stands for
MOST_BITS = 512  # of an integer; Python refuses to print one of 4,300 digits


def read(path: Path) -> Any:
    """The file's one document. OSError; DamagedFile for anything that is not YAML, or is more than any file needs."""
    text = content.read_text(path, MOST_BYTES)
    try:
        return parse(text)
    except Damaged as error:
        raise DamagedFile(path, error.problem, error.place) from error


def parse(text: str) -> Any:
    """One YAML document as plain Python values; Damaged, with its place, for whatever cannot be one."""
    loader, node = _composed(text)
    try:
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _damaged(error) from error


def compose(text: str) -> yaml.Node | None:
    """The same as PyYAML's nodes, which know their places."""
    return _composed(text)[1]


def _composed(text: str) -> tuple[_Loader, yaml.Node | None]:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        raise _unreadable(text, error) from error
    except yaml.YAMLError as error:
        raise _damaged(error) from error
    except (ValueError, OverflowError) as error:  # of a %YAML line with too many digits, of an escape beyond Unicode
        raise Damaged("not valid YAML", _place(loader.get_mark())) from error
    if node is not None:
        _weigh(node)
    return loader, node


def _damaged(error: yaml.YAMLError) -> Damaged:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Damaged(f"not valid YAML: {error}")
    mark = error.problem_mark or error.context_mark
    is_alias = "alias" in f"{error.context} {error.problem}"  # to YAML, what begins with * stands for another value
    way = "; put a value that begins with * in quotes" if is_alias else ""
    return Damaged(f"{error.problem or 'not valid YAML'}{way}", _place(mark) if mark else None)


def _unreadable(text: str, error: yaml.reader.ReaderError) -> Damaged:
    """A character that YAML does not allow; PyYAML tells its number in the text."""
    lines = text[: error.position].split("\n")
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return Damaged(f"the character U+{code:04X}, which YAML does not allow", Place(len(lines), len(lines[-1]) + 1))


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _weigh(root: yaml.Node) -> None:
    """Damaged for a node that stands within itself, and for what is too large or too deep once aliases are followed."""
    known: dict[int, tuple[int, int] | None] = {}  # values and levels by node, None while they are counted

    def measured(node: yaml.Node) -> tuple[int, int]:
        if id(node) in known:
            if (before := known[id(node)]) is None:
                raise Damaged("an alias stands within what it means", _place(node.start_mark))
            return before
        known[id(node)] = None
        parts = [measured(part) for part in _parts(node)]
        values, levels = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        if values > MOST_VALUES:
            raise Damaged(f"more than {MOST_VALUES:,} values, aliases followed", _place(node.start_mark))
        if levels > DEEPEST:
            raise Damaged(f"more than {DEEPEST} levels, aliases followed", _place(node.start_mark))
        known[id(node)] = values, levels
        return values, levels

    measured(root)


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses a key given twice, and says of every value that cannot be made where it stands."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth >= DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} levels", self.get_mark())
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._refused(node, f"{_shown(node)} is no {_kind(node)}") from error
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise self._refused(node, f"{_shown(node)} is larger than any number that is wanted")
        if isinstance(value, str) and not _is_utf8(value):
            raise self._refused(node, "a character that UTF-8 cannot hold (U+D800 to U+DFFF)")
        if isinstance(value, str) and "\0" in value:
            raise self._refused(node, "a NUL character, which no text of ours holds")
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # `!!map x` is a scalar
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise self._refused(key, f"key {key.value!r} is given twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    @staticmethod
    def _refused(node: yaml.Node, problem: str) -> yaml.YAMLError:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _kind(node: yaml.Node) -> str:
    words = {"int": "integer", "float": "number", "bool": "true or false", "timestamp": "date or time"}
    name = str(node.tag).rpartition(":")[2]
    return words.get(name, name)


def _shown(node: yaml.Node) -> str:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else "this"
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
