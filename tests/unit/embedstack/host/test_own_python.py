"""A Python that is started runs no code of the folder that somebody happens to be in."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedstack.deploy.native import runner
from embedstack.deploy.native.part import PartSpec, inherited
from embedstack.host import processes
from tests.paths import ROOT

FOLDERS = ("embedstack", "bridge", "deploy", "benchmarks", "tests/engines")
# Names that a folder of somebody's may well hold, and that each of our processes imports.
NAMES = ("embedstack", "json", "logging", "argparse", "typing")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with modules in it that leave a trace when they are run."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("import sys; sys.exit('the working folder was run')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize("safe_path", [None, "", "1"])
@pytest.mark.parametrize("path", [None, "", ":", ".", "./", "sub/..", "/usr/share::", "{folder}", "{folder}/:{folder}"])
def test_the_working_folder_is_not_run(folder: Path, path: str | None, safe_path: str | None) -> None:
    """Whatever PYTHONPATH and PYTHONSAFEPATH are, neither for a module of ours nor for one of Python's own."""
    said = {"PYTHONPATH": path and path.format(folder=folder), "PYTHONSAFEPATH": safe_path}
    environ = {name: value for name, value in {**os.environ, **said}.items() if value is not None}
    command, given = processes.command("-c", "import embedstack.bridge, json"), processes.environment(environ)
    done = subprocess.run(command, env=given, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
@pytest.mark.usefixtures("folder")
def test_a_module_by_its_name_is_not_the_working_folders() -> None:
    """`-m` puts that folder first where nobody says otherwise."""
    done = subprocess.run(processes.command("-m", "json.tool", "--help"), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_else_is_in_pythonpath_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a person keeps modules is their choice, and so is a checkout that is not installed; the order stays."""
    monkeypatch.chdir(tmp_path)
    path = f"/opt/one:{tmp_path}::/opt/two"
    assert processes.environment({"PYTHONPATH": path, "X": "1"}) == {"PYTHONPATH": "/opt/one:/opt/two", "X": "1"}
    assert processes.environment({"PYTHONPATH": ".", "X": "1"}) == {"X": "1"}
    monkeypatch.chdir(ROOT / "tests")
    for ours in ("..", str(ROOT), "../tests/.."):
        assert processes.environment({"PYTHONPATH": f"{ours}:/opt/one"}) == {"PYTHONPATH": f"{ROOT}:/opt/one"}
    monkeypatch.chdir(ROOT)
    assert processes.environment({"PYTHONPATH": ":/opt/one"}) == {"PYTHONPATH": f"{ROOT}:/opt/one"}


def test_a_working_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it can be run; the rest of PYTHONPATH counts."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert processes.environment({"PYTHONPATH": ":/opt/one:x"}) == {"PYTHONPATH": "/opt/one"}


@pytest.mark.process
@pytest.mark.usefixtures("folder")
def test_a_script_for_open_webuis_python() -> None:
    """What is asked of Open WebUI's environment is not answered by the working folder."""
    webui = PartSpec("open-webui", (str(Path(sys.executable).with_name("open-webui")), "serve"), "/")
    assert runner.run(webui, "import json, sys; print(json.dumps(sys.argv[1:]))", "asked") == '["asked"]\n'


@pytest.mark.process
def test_a_part_runs_no_code_of_its_folder(folder: Path) -> None:
    """Open WebUI's folder holds uploads: no Python that it starts looks for code there."""
    done = subprocess.run(
        [sys.executable, "-m", "json.tool", "--help"], env=inherited(os.environ), cwd=folder, capture_output=True
    )
    assert done.returncode == 0


def starts(tree: ast.AST) -> Iterator[ast.expr | ast.Call]:
    """Every list of arguments that has `-m` or `-c`, which Python takes, or `sys.executable`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple | ast.Call):
            parts = node.args if isinstance(node, ast.Call) else node.elts
            words = {part.value for part in parts if isinstance(part, ast.Constant)}
            if words & {"-m", "-c"} or any(ast.unparse(part) == "sys.executable" for part in parts):
                yield node


# Each with what makes it harmless.
HARMLESS = {
    (
        "deploy/native/part.py",
        "(python, *flags, '-m', 'embedstack.bridge', '--config', config)",
    ): "with the flags that the one function gave it",
    (
        "deploy/webui/verbs/password.py",
        "[*at.argv, '-c', script]",
    ): "with -I natively; a container's folder is its image's",
    ("deploy/webui/verbs/password.py", "[*at.argv, '-c', '…']"): "the same, shown",
    ("benchmarks/nginx.py", "[program, '-p', str(home), '-c', str(config), '-e', 'stderr']"): "nginx",
    ("benchmarks/profile.py", "['-m', 'embedstack.bridge']"): "the arguments alone",
    ("benchmarks/profile.py", "['-m', 'benchmarks.profiled', str(file)]"): "likewise",
    ("tests/engines/process.py", "['/bin/sh', '-c', KEPT, 'sh', *argv]"): "a shell",
}


def test_every_python_is_started_by_the_one_function() -> None:
    """In all of our code there is no other way in which a Python is started."""
    others = []
    for file in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in starts(ast.parse(file.read_text(encoding="utf-8"))):
            text, name = ast.unparse(node), str(file.relative_to(ROOT))
            ours = ("processes.command(", "Path(sys.executable)", "workshop.log.run(tools.uv")
            if text.startswith(ours) or (name, text) in HARMLESS:
                continue
            others.append((name, text))
    assert others == []
