"""A dependency whose private parts are used is bounded above: constraints.txt reaches nobody who installs with pip."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from tests.paths import ROOT

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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {one.name: one for one in map(Requirement, project["dependencies"])}

    used = {package for source in SOURCES for package in privately_used(source)}

    assert "uvicorn" in used
    assert [
        name for name in used if not any(one.operator in ("<", "<=", "==", "~=") for one in needed[name].specifier)
    ] == []
