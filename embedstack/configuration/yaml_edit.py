"""Sets one value in the text of a YAML file of sections, and leaves all comments and other lines unchanged. Pure.

PyYAML does not write comments, but it reports the position of each value, so that one can be replaced in the text.
"""

from __future__ import annotations

import yaml

from embedstack.configuration.setting import Setting, flow
from embedstack.readers import yaml_file
from embedstack.readers.content import Damaged

Node = yaml.Node | None


def set_value(text: str, row: Setting, value: object) -> str | None:
    """The text with that setting; None if the file is written in a way that this code cannot change."""
    # Unquoted first, as people write it. PyYAML writes `a?` unquoted even in places where it cannot read it back.
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**6).rstrip("\n")
    written = [flow(value), quoted] if isinstance(value, str) else [flow(value)]
    return next((edited for each in written if (edited := _set_written(text, row, value, each)) is not None), None)


def _set_written(text: str, row: Setting, value: object, written: str) -> str | None:
    try:
        edited = _edit(text, yaml_file.compose(text), row, written)
        same = yaml_file.parse(edited) == _expected(yaml_file.parse(text), row, value)
    except (Damaged, _NotPlain):
        return None
    return edited if same else None  # the check catches anchors, tags and odd layouts


class _NotPlain(Exception):
    """The file is not made of sections with keys below them."""


def _expected(document: object, row: Setting, value: object) -> object:
    before = document if isinstance(document, dict) else {}
    section = before.get(row.section) or {}
    return {**before, row.section: {**section, row.name: value}}


def _edit(text: str, root: Node, row: Setting, value: str) -> str:
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return _end(text) + f"{row.section}:\n  {row.name}: {value}\n"
    section = _child(root, row.section)
    if section is None:
        if isinstance(root, yaml.MappingNode) and root.flow_style:
            return _insert(text, root.start_mark.index + 1, f"{row.section}: {{{row.name}: {value}}}", root)
        return _end(text) + f"\n{row.section}:\n  {row.name}: {value}\n"
    name, node = section
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        at = _line_end(text, max(name.end_mark.index, node.end_mark.index))
        cleared = text[: node.start_mark.index] + text[node.end_mark.index :] if node.value else text
        at -= len(text) - len(cleared)
        return f"{_end(cleared[:at])}  {row.name}: {value}\n{cleared[at:]}"
    return _edit_section(text, node, row, value)


def _edit_section(text: str, section: yaml.Node, row: Setting, value: str) -> str:
    found = _child(section, row.name)
    if found is not None:
        node = found[1]
        start, end = node.start_mark.index, node.end_mark.index
        gap = " " if text[start - 1 : start] == ":" else ""
        # A block scalar or collection ends at the start of the line after it.
        tail = "\n" if text[start:end].endswith("\n") else ""
        return text[:start] + gap + value + tail + text[end:]
    if isinstance(section, yaml.MappingNode) and section.flow_style:
        return _insert(text, section.start_mark.index + 1, f"{row.name}: {value}", section)
    mark = section.start_mark
    return text[: mark.index] + f"{row.name}: {value}\n{' ' * mark.column}" + text[mark.index :]


def _child(node: yaml.Node, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        raise _NotPlain
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _insert(text: str, at: int, entry: str, flow_mapping: yaml.MappingNode) -> str:
    return text[:at] + entry + (", " if flow_mapping.value else "") + text[at:]


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _end(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
