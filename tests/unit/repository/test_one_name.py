"""The package is imported by one name: embedstack.

From a checkout's root Python would find bridge, deploy and modelfiles under their own names, too. What came in by one
of those would be a second copy of the module, with classes that are not those of the first, and missing from the wheel.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.paths import ROOT

CODE = sorted(
    path
    for folder in ("benchmarks", "bridge", "deploy", "embedstack", "tests")
    for path in ROOT.joinpath(folder).rglob("*.py")
)
SCRIPTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "Makefile",
        ".ci/*",
        ".github/**/*.yml",
        "compose/*",
        "findings/*",
        "tests/**/*.sh",
    )
    for path in ROOT.glob(pattern)
)
LINKED = ("bridge", "deploy", "modelfiles")
# `import bridge` and `from deploy.plan import …` as a line of code, and `python -m bridge` in a command.
STATEMENT = re.compile(rf"(?:^|;)[ \t]*(?:from|import)[ \t]+(?:{'|'.join(LINKED)})(?=[\s.,;]|$)", re.MULTILINE)
COMMAND = re.compile(rf"-m[ \t]+(?:{'|'.join(LINKED)})\b")

# What an earlier version's processes were started by, and `as_now_named` in deploy/native/part.py has to know.
EARLIER = {"tests/integration/native/test_older_supervisor.py", "tests/unit/deploy/native/test_parts.py"}


def _by_another_name(code: str) -> Iterator[int]:
    """The lines that import such a name, run it as a module, or hold text that does."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names) if any(_linked(name.name) for name in names):
                yield node.lineno
            case ast.ImportFrom(module=str(module), level=0) if _linked(module):
                yield node.lineno
            case ast.Constant(value=str(text)) if STATEMENT.search(text) or COMMAND.search(text):
                yield node.lineno
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                words = [part.value if isinstance(part, ast.Constant) else None for part in parts]
                pairs = pairwise(words)
                if any(flag == "-m" and isinstance(name, str) and _linked(name) for flag, name in pairs):
                    yield node.lineno


def _linked(module: str) -> bool:
    return module.split(".")[0] in LINKED


def _place(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.slow
def test_no_code_names_a_folder_as_a_package() -> None:
    """Neither where it imports nor in what it gives to another Python."""
    here = Path(__file__)
    assert here in CODE
    found = {_place(path): list(_by_another_name(path.read_text("utf-8"))) for path in CODE if path != here}
    assert {place: lines for place, lines in found.items() if lines and place not in EARLIER} == {}
    assert {place for place in EARLIER if not found[place]} == set()


def test_no_script_or_document_does() -> None:
    """What people copy from there runs as what is installed does."""
    wrong = [_place(path) for path in SCRIPTS if path.is_file() and _in_text(path.read_text("utf-8"))]
    assert wrong == []


def _in_text(text: str) -> bool:
    return bool(STATEMENT.search(text) or COMMAND.search(text))


@pytest.mark.parametrize(
    "code",
    [
        "import bridge",
        "import sys, deploy.native",
        "from modelfiles.demo import build",
        "def late():\n    from deploy import plan",
        "subprocess.run([python, '-c', 'import os; from bridge import app'])",
        "SCRIPT = '''\nimport bridge.app\n'''",
        "subprocess.run([python, '-m', 'bridge', '--port', '1'])",
        "command = ('-m', 'deploy.native')",
        "os.system('python -P -m deploy.native')",
    ],
)
def test_another_name_is_seen(code: str) -> None:
    """In each way in which it can come in."""
    assert list(_by_another_name(code))


@pytest.mark.parametrize(
    "code",
    [
        "from embedstack import bridge, deploy",
        "import embedstack.bridge.app",
        "run('python', '-m', 'embedstack.bridge')",
        "run('from embedstack import bridge')",
        "HELP = 'How to import bridge settings from deploy.'",
        "from . import bridge",
        "import bridges",
    ],
)
def test_its_own_name_is_let_be(code: str) -> None:
    """The package's, and words that only look like it."""
    assert list(_by_another_name(code)) == []
