"""docs/api.md has every route, field, header, error code, task and synonym that the code has, and no other."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.fuzz.routes import ROUTES
from embedstack.bridge import errors
from embedstack.bridge.api.chat import PassthroughDoor
from embedstack.bridge.api.dialects import FOREIGN, SAME
from embedstack.bridge.api.fields import RELOADING_OPTIONS
from embedstack.bridge.api.ollama import OllamaDoor
from embedstack.bridge.api.openai import OpenAIDoor
from embedstack.bridge.api.ops import IndexDoor, OpsDoor, TraceDoor
from embedstack.bridge.backends import base
from embedstack.bridge.backends.checks import BrokenVectors
from embedstack.bridge.request import PromptHints
from embedstack.bridge.settings.security import Security
from embedstack.bridge.settings.structs import Settings
from embedstack.bridge.text.prompts import ROLE_FIELDS, SYNONYMS, Prompts
from embedstack.models import catalog
from tests.api_docs import DOCS, quoted, routes, rows
from tests.paths import ROOT

SOURCES = sorted((ROOT / "bridge").rglob("*.py"))
# Kinds that nothing raises as they are: each raise names something more exact.
NEVER_BARE = {"invalid_request", "forbidden", "request_too_large", "engine_error", "engine_unavailable"}


def calls() -> Iterator[ast.Call]:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def raised() -> set[tuple[int, str]]:
    """Status and code of everything that the bridge can answer instead of a vector."""
    kinds = {name: kind for module in (errors, base) for name, kind in vars(module).items() if _is_error(kind)}
    kinds["BrokenVectors"] = BrokenVectors
    found = {(int(kind.status), kind.code) for kind in kinds.values() if kind.code not in NEVER_BARE}
    for call in calls():
        for keyword in call.keywords:
            if keyword.arg != "code" or not isinstance(call.func, ast.Name) or call.func.id not in kinds:
                continue
            status = int(kinds[call.func.id].status)
            if isinstance(keyword.value, ast.Constant):
                found.add((status, str(keyword.value.value)))
            else:
                assert ast.unparse(keyword.value) == "f'invalid_{name}'"
                found |= {(status, f"invalid_{name}") for name in ("model", *ROLE_FIELDS, "instruction")}
    return found


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.BridgeError)


def test_every_error_code() -> None:
    """The table of errors is what can be raised, with its status."""
    documented = [(int(row[0]), *quoted(row[1])) for row in rows("status", "code", "what happened", "what to do")]

    assert len(documented) == len(set(documented))
    assert set(documented) == raised()


@pytest.mark.parametrize("code", sorted(NEVER_BARE))
def test_kinds_that_are_never_bare(code: str) -> None:
    """A code that is not documented is never sent: each raise of that kind gives a code of its own."""
    kinds = {name for module in (errors, base) for name, kind in vars(module).items() if _is_error(kind)}
    bare = {name for name in kinds if (getattr(errors, name, None) or getattr(base, name)).code == code}
    for call in calls():
        if isinstance(call.func, ast.Name) and call.func.id in bare:
            assert "code" in {keyword.arg for keyword in call.keywords}, ast.unparse(call)


def test_every_route() -> None:
    """The table of routes is the routes."""
    nothing: Any = None
    pipeline: Any = SimpleNamespace(fleet=nothing)
    doors = (
        OllamaDoor(pipeline, nothing, nothing),
        OpenAIDoor(pipeline, nothing, nothing),
        OpsDoor(pipeline, nothing, Settings(), nothing),
        IndexDoor(pipeline, Settings()),
        TraceDoor(nothing, Security()),
        PassthroughDoor(nothing, nothing),
    )
    routes = [
        f"`{method} {route.path.replace(':path', '')}`"
        for door in doors
        for route in door.routes()
        for method in (route.methods or set()) - {"HEAD"}
    ]

    assert sorted(row[0] for row in rows("route", "what it is")) == sorted(routes)


def test_every_route_is_fuzzed() -> None:
    """`make fuzz` sends what nobody would send to each."""
    tried = {(method, path.replace("/demo", "/{model}")) for method, path in ROUTES}

    assert [route for route in routes() if route not in tried] == []


def test_every_field() -> None:
    """The table of fields is what is read of a body."""
    reads = (re.fullmatch(r"(?:body\.get\(|_string\(body, )'(\w+)'\)", ast.unparse(call)) for call in calls())
    read = {read[1] for read in reads if read} | set(ROLE_FIELDS)

    assert {name for row in rows("field", "routes", "meaning") for name in quoted(row[0])} == read


def test_every_field_of_other_services() -> None:
    """The two tables are the bridge's own, row by row."""
    taken = [[f"`{name}`", users, f"`{own}`"] for own, others in SAME.items() for name, users in others.items()]
    refused = [
        [f"`{field.name}`", field.users, ", ".join(f"`{json.dumps(value)}`" for value in field.harmless), field.way]
        for field in FOREIGN
    ]

    assert rows("other name", "of", "taken as") == taken
    assert rows("refused field", "of", "may be", "instead") == refused


def test_every_header() -> None:
    """The table of headers has each that is the bridge's own."""
    texts = [source.read_text(encoding="utf-8").lower() for source in SOURCES]
    own = {name for text in texts for name in re.findall(r"x-(?:embed|request|openwebui)-[a-z-]+", text)}
    documented = {name.lower() for row in rows("header", "in", "meaning") for name in quoted(row[0])}

    assert own == {name for name in documented if name.startswith("x-")}


def test_every_metric() -> None:
    """The table of metrics has each, as Prometheus reads its name, with its labels."""
    made = {}
    for call in calls():
        kind = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if kind in ("_histogram", "_counter", "_gauge"):
            name, _, *labels = (ast.literal_eval(argument) for argument in call.args[:3])
            made[name + ("_total" if kind == "_counter" else "")] = list(*labels)
    documented = {quoted(row[0])[0]: quoted(row[1]) for row in rows("metric", "labels", "meaning")}

    assert len(made) > 10
    assert documented == made


def test_every_option_that_is_ignored() -> None:
    """The options that would reload the model are listed."""
    assert set(quoted(DOCS.split("reload the model (")[1].split(")")[0])) == RELOADING_OPTIONS


def test_every_task() -> None:
    """The table of tasks is the catalogue's, word for word."""
    documented = {quoted(row[0])[0]: row[1:] for row in rows("task", "goes before", "instruction")}
    tasks = catalog.load().tasks

    assert list(documented) == list(tasks)
    for name, (before, *instruction) in documented.items():
        task = tasks[name]
        expected = "nothing" if task.instruction is None else "every text" if task.symmetric else "queries"
        assert before.removesuffix(" |").strip() == expected
        assert " ".join(instruction) == (task.instruction or "")


def test_every_synonym() -> None:
    """The table of synonyms has each, in the row of what it means."""
    known = catalog.load()
    prompts = Prompts(known.tasks, known.styles["qwen3"])
    table = rows("means", "also written")
    documented = {name: quoted(meaning) for meaning, names in table for name in quoted(names)}

    assert set(documented) == set(SYNONYMS) - {"query", "document"}
    for name, (task, *role) in documented.items():
        prompt = prompts.resolve(PromptHints(fields=(("input_type", name),)))
        meant = prompts.resolve(PromptHints(fields=(("input_type", task), *(("task", one) for one in role))))
        assert (prompt.task, prompt.role, prompt.prefix) == (meant.task, meant.role, meant.prefix), name


def test_links_within_the_page() -> None:
    """Each link to a section of the page finds it."""
    headings = re.findall(r"^#+ (.*)$", DOCS, flags=re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", DOCS)) <= sections
