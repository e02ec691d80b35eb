"""The wheel, installed into an empty environment and used from elsewhere: all that it needs is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedstack import __version__
from embedstack.models.demo.build import DemoFiles
from tests.paths import ROOT

pytestmark = pytest.mark.thorough

BESIDE = ("constraints.txt", "LICENSE", "pyproject.toml", "README.md")
FOLDERS = ("embedstack", "bridge", "deploy", "modelfiles")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree. Without isolation: the build backend is pinned and here already."""
    folder = tmp_path_factory.mktemp("wheel")
    _python("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("embedstack-*.whl"))


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of an environment that has the wheel and what it asks for, pinned, and nothing else, in a folder
    with modules of the same names.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv = folder / "venv"
    _python("-m", "venv", "--without-pip", str(venv))
    python = str(venv / "bin" / "python")
    wanted = ("--constraint", str(ROOT / "constraints.txt"), str(wheel))
    try:
        _python("-m", "uv", "pip", "install", "--quiet", "--python", python, *wanted)
    except subprocess.CalledProcessError:  # an index that only pip is configured for
        _python("-m", "pip", "--python", python, "install", "--quiet", *wanted)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMBED", "OLLAMA"))}
    environment = {**clean, "EMBEDSTACK_CACHE": str(folder / "cache"), "HOME": str(folder)}

    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("embedstack", "json"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit('the working folder was run')\n")

    def run(program: str, *arguments: str) -> str:
        return _output([str(venv / "bin" / program), *arguments], cwd=elsewhere, env=environment)

    return run


def _python(*arguments: str) -> str:
    return _output([sys.executable, *arguments], cwd=None, env=None)


def _output(command: list[str], *, cwd: Path | None, env: dict[str, str] | None) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def _data(output: str) -> Any:
    document = json.loads(output)
    assert document["ok"]
    return document["data"]


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    """Catalogue, templates, word lists and cards as well as code, and what the containers are made from; no test and no
    bytecode.
    """
    expected = {
        str(Path("embedstack", path.relative_to(ROOT / "embedstack" if folder == "embedstack" else ROOT)))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = (*(ROOT / "compose").iterdir(), *(ROOT / name for name in BESIDE))
    expected |= {f"embedstack/deploy/docker/files/{path.relative_to(ROOT)}" for path in beside}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert found == expected
    assert "embedstack/modelfiles/catalog.yaml" in found


def test_the_code_that_runs_is_the_wheels(run: Run) -> None:
    """None of it comes from the source tree."""
    where = run("python", "-P", "-c", "from embedstack import bridge, deploy; print(bridge.__file__, deploy.__file__)")

    assert str(ROOT) not in where
    assert where.count("site-packages") == 2


def test_the_bridge_says_its_version(run: Run) -> None:
    """`embed-bridge --version` knows the version of the distribution."""
    assert run("embed-bridge", "--version") == f"embed-bridge {__version__}\n"


def test_the_bridge_reads_its_catalogue(run: Run) -> None:
    """`embed-bridge --print-config` shows every setting's default."""
    assert "model.id: qwen3-embedding:4b" in run("embed-bridge", "--print-config")


def test_the_demo_model_is_the_same_everywhere(run: Run, demo: DemoFiles) -> None:
    """Built from the wheel's data it is the file that the source tree builds, byte for byte."""
    built = _data(run("embedstack", "model", "demo", "--json"))

    assert built["sha256"] == demo.sha256
    assert "stand-in" in built["note"]


def test_the_demo_runs_from_the_wheel(run: Run) -> None:
    """`embedstack demo --once` starts the bridge of the same environment and finds the holiday paragraph."""
    shown = _data(run("embedstack", "demo", "--once", "--json"))

    assert shown["guided"]["ranking"][0]["id"] == "holiday"
    assert set(shown["guided"]["ranking"][0]["instructed"]) == {"2560", "1024", "256", "32"}
