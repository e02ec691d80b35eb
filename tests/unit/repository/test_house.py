"""The signs that the house is in order. They are ratios, so that it may grow."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePath

import pytest

from tests.house.tree import Source, arrows, circles, files, sources


def _share(some: list[Source]) -> float:
    return len(some) / len(files())


def test_the_three_packages_are_seen() -> None:
    """The links of the package lead to its sources: what is said of them below is said of all."""
    assert {source.place.split("/")[0] for source in files()} == {"bridge", "deploy", "embedstack"}
    assert {"embedstack.bridge.__main__", "embedstack.deploy.cli", "embedstack.host.files"} <= set(sources())


def test_few_files_are_short() -> None:
    """At most one in five has fewer than 50 lines: a part that only one file uses stands in that file."""
    short = [source for source in files() if source.lines < 50]

    assert _share(short) <= 0.20, [source.place for source in short]


def test_few_modules_are_imported_by_one_other_alone() -> None:
    """At most one in four: each is a door that leads to one more door."""
    once = [source for source in files() if len(source.importers) == 1]

    assert _share(once) <= 0.25, [source.place for source in once]


def test_few_classes_share_a_name() -> None:
    """At most eight names belong to two classes, and none to three."""
    homes = Counter(name for source in sources().values() for name in source.classes)
    shared = {name: count for name, count in homes.items() if count > 1}

    assert max(shared.values(), default=1) <= 2, shared
    assert len(shared) <= 8, shared


def test_no_folder_is_crowded() -> None:
    """At most 16 files lie flat in one."""
    crowded = {folder: count for folder, count in Counter(source.folder for source in files()).items() if count > 16}

    assert crowded == {}


def test_modules_import_in_no_circle() -> None:
    """Neither straight nor by way of others; an import within a function counts, too."""
    assert circles(arrows()) == []


def test_folders_import_in_no_circle() -> None:
    """A folder and the one that it lies in are one subject, and may know each other."""
    folders = {(sources()[start].folder, sources()[end].folder) for start, end in arrows()}
    apart = {(start, end) for start, end in folders if not _within(start, end) and not _within(end, start)}

    assert circles(apart) == []


def _within(inner: str, outer: str) -> bool:
    return PurePath(inner).is_relative_to(outer)


def test_a_circle_is_seen() -> None:
    """Of two or of more; what leads to one is not part of it."""
    assert circles({("a", "b"), ("b", "c")}) == []
    assert circles({("d", "a"), ("a", "b"), ("b", "c"), ("c", "b"), ("c", "e")}) == [{"b", "c"}]
    assert circles({("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")}) == [{"a", "b", "c"}, {"d"}]


def _renames(node: ast.AST) -> bool:
    """`path.replace(other)`, `path.rename(other)`, `os.replace(one, other)`: a text's replace takes two."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="replace" | "rename" | "renames")):
            return True
        case ast.Call(func=ast.Attribute(attr="replace" | "rename"), args=[_], keywords=[]):
            return True
    return False


def _asks_whether_loopback(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "is_loopback" and not _is_ours(node)


def _is_ours(node: ast.Attribute) -> bool:
    """`addresses.is_loopback(host)`, the one test."""
    return isinstance(node.value, ast.Name) and node.value.id == "addresses"


def _knows_this_machines_names(node: ast.AST) -> bool:
    """A collection with "localhost" in it, or a comparison with it."""
    match node:
        case ast.Set(elts=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Compare(comparators=parts):
            return any(isinstance(part, ast.Constant) and part.value == "localhost" for part in parts)
    return False


def _reads_ollama_host(node: ast.AST) -> bool:
    """From the environment: `environ["OLLAMA_HOST"]`, `environ.get("OLLAMA_HOST")`, `"OLLAMA_HOST" in environ`."""
    match node:
        case ast.Subscript(slice=ast.Constant(value="OLLAMA_HOST"), ctx=ast.Load()):
            return True
        case ast.Call(func=ast.Attribute(attr="get" | "getenv" | "pop"), args=[ast.Constant(value="OLLAMA_HOST"), *_]):
            return True
        case ast.Compare(left=ast.Constant(value="OLLAMA_HOST")):
            return True
    return False


# Where the name of this machine is not a test of an address.
NAMES = {"deploy/doctor/network.py": "what NO_PROXY has to name"}


def _where(reported: Callable[[ast.AST], bool]) -> Iterator[str]:
    for source in sources().values():
        if any(reported(node) for node in ast.walk(source.tree)):
            yield source.place


# What is moved there was not written in one go by the same function: these are not writers of whole files.
MOVES = {
    "bridge/cache/disk.py": "a damaged cache is put aside",
    "deploy/hub/cache.py": "a download that took its time goes to its place in the Hub's cache",
    "deploy/hub/transfer.py": "a download that took its time goes to its place",
    "deploy/native/household.py": "a part gets another command: no file",
    "deploy/native/logs.py": "a log that is full gets a number",
    "embedstack/models/demo/build.py": "the demo model's files, made in a folder of their own, go to their place",
    "embedstack/readers/content.py": "a damaged file is put aside",
}


def test_whole_files_are_written_by_one_writer() -> None:
    """embedstack/host/files.py: the others only move what lies there."""
    assert set(_where(_renames)) == {"embedstack/host/files.py", *MOVES}


def test_what_is_this_machine_is_asked_in_one_place() -> None:
    """embedstack/host/addresses.py."""
    reported = {*_where(_asks_whether_loopback), *_where(_knows_this_machines_names)}
    assert reported == {"embedstack/host/addresses.py", *NAMES}


def test_ollama_host_has_one_reader() -> None:
    """embedstack/host/ollama.py; others set it for a program that they start."""
    assert list(_where(_reads_ollama_host)) == ["embedstack/host/ollama.py"]


@pytest.mark.parametrize(
    ("code", "reported"),
    [
        ("partial.replace(path)", _renames),
        ("os.replace(partial, path)", _renames),
        ("path.with_suffix('.new').rename(path)", _renames),
        ("ipaddress.ip_address(host).is_loopback", _asks_whether_loopback),
        ("host in ('127.0.0.1', 'localhost')", _knows_this_machines_names),
        ("host == 'localhost'", _knows_this_machines_names),
        ("os.environ.get('OLLAMA_HOST', '')", _reads_ollama_host),
        ("os.environ['OLLAMA_HOST']", _reads_ollama_host),
    ],
)
def test_a_second_home_is_seen(code: str, reported: Callable[[ast.AST], bool]) -> None:
    """The forms that the second copies had."""
    assert any(reported(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    ("code", "reported"),
    [
        ("text.replace('a', 'b')", _renames),
        ("dataclasses.replace(settings, port=1)", _renames),
        ("addresses.is_loopback(host)", _asks_whether_loopback),
        ("Settings(host='localhost')", _knows_this_machines_names),
        ("environment['OLLAMA_HOST'] = address", _reads_ollama_host),
    ],
)
def test_what_only_looks_like_one_is_let_be(code: str, reported: Callable[[ast.AST], bool]) -> None:
    """A text's replace, a default, an environment that is made for another program."""
    assert not any(reported(node) for node in ast.walk(ast.parse(code)))
