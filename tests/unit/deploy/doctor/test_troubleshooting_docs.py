"""docs/troubleshooting.md and the ids in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from embedstack.deploy import doctor
from embedstack.deploy.doctor.finding import SEVERITIES
from tests.paths import ROOT

DOCUMENT = ROOT / "docs" / "troubleshooting.md"
ID = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)+")


def _findings() -> Iterator[ast.Call]:
    """Every place in the package that makes a finding."""
    for path in sorted(Path(doctor.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                yield node


def _ids() -> list[str]:
    first = [call.args[0] for call in _findings()]
    return [str(argument.value) for argument in first if isinstance(argument, ast.Constant)]


def _sections() -> dict[str, str]:
    """What the document says of each id."""
    parts = re.split(r"^### (.+)\n", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_id_is_documented_and_every_documented_id_exists() -> None:
    """The two lists are equal, and an id is written out where it is used."""
    assert len(_ids()) == len(list(_findings()))
    assert sorted(_sections()) == sorted(_ids())


def test_an_id_means_one_thing() -> None:
    """It is made in one place, and looks like one."""
    assert len(_ids()) == len(set(_ids()))
    assert all(ID.fullmatch(found) for found in _ids())


def test_every_section_says_how_bad_it_is() -> None:
    """It begins with a severity, and goes on with what to do."""
    for name, text in _sections().items():
        begins = re.match(r"\*\*(\w+)", text)
        assert begins is not None, name
        assert begins[1].lower() in SEVERITIES, name
        assert len(text) > 80, name
