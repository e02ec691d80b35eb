"""What pyproject.toml asks for is what the code imports: the bridge in the base, the rest in the extras that need it.

A dependency whose private parts are used is bounded above: constraints.txt reaches nobody who installs with pip.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"embedstack"}
FOLDERS = ("embedstack", "bridge", "deploy")
SOURCES = [source for name in FOLDERS for source in sorted((ROOT / name).rglob("*.py"))]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def imported(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Module and name behind each name that is imported from a dependency."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
    known = OURS | sys.stdlib_module_names
    return {name: (module, of) for name, (module, of) in found.items() if module.split(".")[0] not in known}


def privately_used(source: Path) -> Iterator[str]:
    """Top-level packages of which a file uses a name that begins with an underscore."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = imported(tree)
    for module, name in names.values():
        if any(map(is_private, (*module.split("."), name))):
            yield module.split(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and (root := _root(node.value)) in names:
            yield names[root][0].split(".")[0]
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if (root := _root(base)) in names and _private_names(node) & _mentioned(base, *names[root]):
                    yield names[root][0].split(".")[0]


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _private_names(node: ast.ClassDef) -> set[str]:
    """What a class of ours defines or asks of itself, and what it passes on."""
    attributes = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
    methods = {one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    passed = {one.arg for one in ast.walk(node) if isinstance(one, ast.keyword) and one.arg}
    return {name for name in attributes | methods | passed if is_private(name)}


def _mentioned(base: ast.expr, module: str, name: str) -> set[str]:
    """Every private name in the module that has the base class."""
    owner: object = importlib.import_module(module)
    for part in [name, *ast.unparse(base).split(".")[1:]]:
        owner = getattr(owner, part) if part else owner
    return set(re.findall(r"\b_[a-zA-Z]\w*", inspect.getsource(inspect.getmodule(owner) or sys)))


def test_private_parts_are_used_of_bounded_dependencies_alone() -> None:
    """uvicorn's protocol is built upon; the next release may have it otherwise."""
    extras = PROJECT["optional-dependencies"]
    needed = {one.name: one for one in map(Requirement, PROJECT["dependencies"] + extras["embedded"] + extras["stack"])}

    used = {package for source in SOURCES for package in privately_used(source)}

    assert "uvicorn" in used
    assert [
        name for name in used if not any(one.operator in ("<", "<=", "==", "~=") for one in needed[name].specifier)
    ] == []


class Imported(NamedTuple):
    """A module that is imported, by its full name or one of a name in it; `at_once` unless in a function or a block."""

    name: str
    at_once: bool


@cache
def _modules() -> dict[str, Path]:
    """Every module of ours by its name."""
    found = {}
    for source in SOURCES:
        parts = source.relative_to(ROOT).with_suffix("").parts
        parts = parts if parts[0] == "embedstack" else ("embedstack", *parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = source
    return found


_distributions = cache(packages_distributions)  # it looks through everything that is installed, at each call


@cache
def _imports(module: str) -> tuple[Imported, ...]:
    """What a module of ours imports, and the packages that it is in."""
    parts = module.split(".")
    found = [Imported(".".join(parts[:end]), True) for end in range(1, len(parts))]
    for node in ast.walk(ast.parse(_modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [Imported(alias.name, node.col_offset == 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [Imported(name, node.col_offset == 0) for name in (node.module, *names)]
    return tuple(found)


def reached(*roots: str, at_once: bool = False) -> set[str]:
    """Distributions that our modules import, from these and all in them on; `at_once`: as the first is imported."""
    ours: set[str] = set()
    theirs: set[str] = set()
    waiting = [name for name in _modules() if any(name == root or name.startswith(f"{root}.") for root in roots)]
    while waiting:
        module = waiting.pop()
        if module in ours:
            continue
        ours.add(module)
        for one in _imports(module):
            if at_once and not one.at_once:
                continue
            if one.name in _modules():
                waiting.append(one.name)
            elif (top := one.name.split(".")[0]) not in OURS | sys.stdlib_module_names:
                theirs |= {canonicalize_name(name) for name in _distributions()[top]}
    assert len(ours) > len(roots)
    return theirs


def listed(extra: str = "") -> set[str]:
    """The distributions that the base, or an extra, asks for."""
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_the_base_is_what_the_bridge_imports() -> None:
    """And the extra `embedded` what its own engine does besides. uvicorn imports uvloop for it, where there is one."""
    assert reached("embedstack.bridge") == (listed() | listed("embedded")) - {"uvloop"}


def test_a_bridge_starts_with_the_base_alone() -> None:
    """What belongs to an extra is imported where it is used, and not before."""
    assert reached("embedstack.bridge.listen", at_once=True) <= listed()


def test_the_stack_is_what_the_toolkit_imports() -> None:
    """Besides the base; the bridge that it starts is a process of its own."""
    assert reached("embedstack.deploy") - listed() == listed("stack")


def test_everything_is_every_extra() -> None:
    """`embedstack[all]`."""
    (everything,) = map(Requirement, PROJECT["optional-dependencies"]["all"])

    assert (everything.name, everything.extras) == (PROJECT["name"], {"embedded", "stack"})
