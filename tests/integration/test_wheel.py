"""The wheel in an empty environment, with extras and without, used from elsewhere: all that it needs is in it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from embedstack import __version__
from embedstack.deploy.webui.install import trusting
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.paths import ROOT
from tests.release import artifacts
from tests.upstreams.llama import llama_child

pytestmark = pytest.mark.thorough

BESIDE = ("constraints.txt", "LICENSE", "pyproject.toml", "README.md")
FOLDERS = ("embedstack", "bridge", "deploy", "modelfiles")
THEIRS = ("bridge", "deploy", "modelfiles")


@dataclass(frozen=True)
class Environment:
    """A virtual environment, used from a folder with modules of the same names as ours."""

    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        """What it prints. CalledProcessError unless it ends well."""
        done = self.ended(program, *arguments)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, [program, *arguments], done.stdout, done.stderr)
        return done.stdout

    def ended(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMBED", "OLLAMA"))
        }
        environment = {**clean, "EMBEDSTACK_CACHE": str(self.folder / "cache"), "HOME": str(self.folder)}
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        for name in ("embedstack", "json"):
            (elsewhere / f"{name}.py").write_text("raise SystemExit('the working folder was run')\n")
        return _done([self.program(program), *arguments], cwd=elsewhere, env=environment)

    def program(self, name: str) -> str:
        return str(self.folder / "venv" / "bin" / name)

    def distributions(self) -> set[str]:
        """Names of what is installed."""
        code = "from importlib import metadata as m; print('\\n'.join(d.name for d in m.distributions()))"
        return {canonicalize_name(name) for name in self.run("python", "-P", "-c", code).split()}

    def megabytes(self) -> float:
        """On the disk, as `du` counts, but for the bytecode that Python writes in its own time."""
        files = [path for path in (self.folder / "venv").rglob("*") if path.suffix != ".pyc" and path.is_file()]
        return sum(path.stat().st_blocks * 512 for path in files if not path.is_symlink()) / 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return _wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this tree."""
    folder = tmp_path_factory.mktemp("sdist")
    _python("-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder), cwd=ROOT)
    return next(folder.glob("embedstack-*.tar.gz"))


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel and what it asks for, pinned, and nothing else."""
    return _environment(tmp_path_factory.mktemp("base"), str(wheel))


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The same with all extras."""
    return _environment(tmp_path_factory.mktemp("whole"), f"{wheel}[all]")


@pytest.fixture(scope="module")
def beside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel beside a distribution whose packages are called as folders of our repository are."""
    folder = tmp_path_factory.mktemp("beside")
    return _environment(folder, str(wheel), str(_other(folder)))


def _wheel(source: Path, folder: Path) -> Path:
    """Without isolation: the build backend is pinned and here already."""
    wanted = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    _python("-m", "pip", "wheel", "--quiet", *wanted)
    return next(folder.glob("embedstack-*.whl"))


def _environment(folder: Path, *wanted: str) -> Environment:
    made = Environment(folder)
    _python("-m", "venv", "--without-pip", str(folder / "venv"))
    python, pins = made.program("python"), ("--constraint", str(ROOT / "constraints.txt"))
    try:
        _python("-m", "uv", "pip", "install", "--quiet", "--python", python, *pins, *wanted)
    except subprocess.CalledProcessError:  # an index that only pip is configured for
        _python("-m", "pip", "--python", python, "install", "--quiet", *pins, *wanted)
    return made


def _other(folder: Path) -> Path:
    """A wheel of somebody else's, with `bridge`, `deploy` and `modelfiles` at its top."""
    path = folder / "somebodys-1.0-py3-none-any.whl"
    about = "somebodys-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name in THEIRS:
            archive.writestr(f"{name}/__init__.py", f"OF = 'somebody, {name}'\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in archive.namelist()))
    return path


def _python(*arguments: str, cwd: Path | None = None) -> None:
    _done([sys.executable, *arguments], cwd=cwd, env=None).check_returncode()


def _done(command: list[str], *, cwd: Path | None, env: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def _files(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def _extra(name: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {canonicalize_name(Requirement(line).name) for line in project["optional-dependencies"][name]}


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
    found = {name for name in _files(wheel) if ".dist-info/" not in name}

    assert found == expected
    assert "embedstack/modelfiles/catalog.yaml" in found


def test_embedstack_is_the_one_name_that_is_taken(wheel: Path) -> None:
    """Nothing else lies at the top of site-packages."""
    assert {name.partition("/")[0] for name in _files(wheel)} == {"embedstack", f"embedstack-{__version__}.dist-info"}


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """File by file, the index of files included."""
    rebuilt = zipfile.ZipFile(_wheel(sdist, tmp_path))
    ours = zipfile.ZipFile(wheel)

    assert {one.filename: one.CRC for one in rebuilt.infolist()} == {one.filename: one.CRC for one in ours.infolist()}


def test_the_source_distribution_has_each_file_once(sdist: Path) -> None:
    """What the repository has under two names by a link is there under one."""
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers()]

    assert "embedstack/bridge/__main__.py" in names
    assert [name for name in names if name.startswith(tuple(f"{folder}/" for folder in THEIRS))] == []


def test_the_code_that_runs_is_the_wheels(whole: Environment) -> None:
    """None of it comes from the source tree."""
    code = "from embedstack import bridge, deploy; print(bridge.__file__, deploy.__file__)"
    where = whole.run("python", "-P", "-c", code)

    assert str(ROOT) not in where
    assert where.count("site-packages") == 2


@pytest.mark.parametrize("installed", ["base", "whole", "beside"])
def test_the_bridge_says_its_version(request: pytest.FixtureRequest, installed: str) -> None:
    """`embed-bridge --version` knows the version of the distribution."""
    environment: Environment = request.getfixturevalue(installed)

    assert environment.run("embed-bridge", "--version") == f"embed-bridge {__version__}\n"


@pytest.mark.parametrize("installed", ["base", "whole", "beside"])
def test_the_bridge_reads_its_catalogue(request: pytest.FixtureRequest, installed: str) -> None:
    """`embed-bridge --print-config` shows every setting's default."""
    environment: Environment = request.getfixturevalue(installed)

    assert "model.id: qwen3-embedding:4b" in environment.run("embed-bridge", "--print-config")


def test_without_extras_there_is_neither_the_toolkit_nor_an_engine(base: Environment) -> None:
    """And the environment is small. huggingface-hub is there for tokenizers, which asks for it."""
    brought_along = {"huggingface-hub", "httpx2"}

    assert base.distributions() & (_extra("embedded") | _extra("stack")) == brought_along
    assert base.megabytes() <= 120


def test_the_command_names_the_extra_that_it_lacks(base: Environment) -> None:
    """Whatever is typed, with exit status 3."""
    done = base.ended("embedstack", "--help")

    assert done.returncode == 3
    assert done.stdout == ""
    assert "needs docker, gguf, " in done.stderr
    assert "`pip install 'embedstack[stack]'`" in done.stderr


def test_the_bridge_names_the_extra_that_its_own_engine_lacks(base: Environment) -> None:
    """Asked for, it ends with 2; with nothing configured, the way to it stands beside the others."""
    asked = base.ended("embed-bridge", "--demo")
    alone = base.ended("embed-bridge", "--set", "engine.kind=null")

    assert (asked.returncode, alone.returncode) == (2, 2)
    assert "needs cffi, gguf, psutil and xllamacpp, which are not installed" in asked.stderr
    assert "Three ways on" in alone.stderr
    assert [one for one in (asked.stderr, alone.stderr) if "`pip install 'embedstack[embedded]'`" not in one] == []


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_without_extras_the_bridge_serves_before_an_engine(
    base: Environment, demo: DemoFiles, tmp_path: Path, loop: str
) -> None:
    """A real one, which passes every check of the gate; on Python's own event loop where there is no uvloop."""
    if loop == "asyncio":
        (tmp_path / "uvloop.py").write_text("raise ModuleNotFoundError('hidden by a test', name='uvloop')\n")
    env, known = {"PYTHONPATH": str(tmp_path)}, ("--set", "model.id=demo", "--set", "model.precision=f16")
    program = [base.program("embed-bridge")]
    with (
        llama_child(demo.gguf, model="demo") as url,
        bridge("--upstream", url, *known, env=env, program=program) as one,
    ):
        assert one.ready()["ready"]
        assert [len(vector) for vector in one.embed("x", "y", dimensions=32)] == [32, 32]


def test_two_distributions_with_a_bridge_work_side_by_side(beside: Environment) -> None:
    """Theirs is `bridge`, ours `embedstack.bridge`."""
    code = f"from importlib import import_module as get; print(*(get(name).OF for name in {THEIRS}), sep='; ')"

    assert beside.run("python", "-P", "-c", code) == "somebody, bridge; somebody, deploy; somebody, modelfiles\n"
    assert beside.run("python", "-P", "-c", "import embedstack.deploy as ours; print(hasattr(ours, 'OF'))") == "False\n"


def test_the_demo_model_is_the_same_everywhere(whole: Environment, demo: DemoFiles) -> None:
    """Built from the wheel's data it is the file that the source tree builds, byte for byte."""
    built = _data(whole.run("embedstack", "model", "demo", "--json"))

    assert built["sha256"] == demo.sha256
    assert "stand-in" in built["note"]


def test_the_demo_runs_from_the_wheel(whole: Environment) -> None:
    """`embedstack demo --once` starts the bridge of the same environment and finds the holiday paragraph."""
    shown = _data(whole.run("embedstack", "demo", "--once", "--json"))

    assert shown["guided"]["ranking"][0]["id"] == "holiday"
    assert set(shown["guided"]["ranking"][0]["instructed"]) == {"2560", "1024", "256", "32"}


def test_the_sbom_has_what_is_installed(wheel: Path, tmp_path: Path) -> None:
    """Every distribution of all extras, direct or not, at the version that constraints.txt has."""
    answer = json.loads(artifacts.sbom(ROOT, wheel, tmp_path).read_text(encoding="utf-8"))

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    found = {canonicalize_name(part["name"]): part["version"] for part in answer["components"]}
    assert answer["metadata"]["component"]["name"] == "embedstack"
    assert _extra("embedded") | _extra("stack") | {"numpy", "uvicorn", "h11"} <= set(found)
    assert {name: version for name, version in found.items() if version != pins.get(name, __version__)} == {}


@dataclass(frozen=True)
class Newcomer:
    """Somebody whose home is empty, with uv and pipx and a Python: nothing of theirs is installed or cached."""

    home: Path

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """What a shell of theirs makes of it; what they install is on its PATH."""
        foreign = ("PYTHON", "EMBED", "OLLAMA", "XDG_", "VIRTUAL_ENV", "UV_CACHE_DIR", "UV_TOOL", "PIPX")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = f"{self.home / '.local' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        pins = str(ROOT / "constraints.txt")  # `make release-check` installs without
        own = {"HOME": str(self.home), "PATH": path, "UV_PYTHON": sys.executable}
        environment = {**clean, **own, "UV_CONSTRAINT": pins, "PIP_CONSTRAINT": pins}
        return _done(list(map(str, words)), cwd=self.home, env=trusting(environment))


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(tmp_path_factory.mktemp("newcomer"))


def test_uvx_alone_shows_the_first_right_vectors(newcomer: Newcomer, wheel: Path) -> None:
    """`uvx embedstack demo`, of nothing but the wheel: it fetches the extras by itself, and says by which command."""
    done = newcomer.run("uvx", "--from", wheel, "embedstack", "demo", "--once", "--json")

    assert done.returncode == 0, done.stderr
    shown = _data(done.stdout)
    assert shown["guided"]["ranking"][0]["id"] == "holiday"
    assert "$ uv tool run " in done.stderr
    assert f"'embedstack[all] @ file://{wheel}' embedstack demo --once --json" in done.stderr


def test_uvx_runs_the_bridge_without_extras(newcomer: Newcomer, wheel: Path) -> None:
    """Its own engine is then asked for with the command that has it, which works as it is printed."""
    asked = newcomer.run("uvx", "--from", wheel, "embed-bridge", "--demo", "--print-config")
    assert asked.returncode == 0, asked.stderr

    refused = newcomer.run("uvx", "--from", wheel, "embed-bridge", "--demo")

    assert refused.returncode == 2
    assert "`uvx --from 'embedstack[all]' embed-bridge --demo`" in refused.stderr


INSTALLERS = {
    "uv tool": (("uv", "tool", "install"), ("uv", "tool", "uninstall")),
    "pipx": (("uvx", "pipx", "install"), ("uvx", "pipx", "uninstall")),
}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_each_way_of_installing_has_an_end(newcomer: Newcomer, wheel: Path, installer: str) -> None:
    """Without extras the command names the one that adds them with the same installer, which works; and nothing of it
    is left after it was uninstalled.
    """
    install, uninstall = INSTALLERS[installer]
    assert newcomer.run(*install, wheel).returncode == 0
    lacking = newcomer.run("embedstack", "version")
    assert lacking.returncode == 3

    (advised,) = re.findall(r"`(\w+ [^`]+)`\.$", lacking.stderr, re.MULTILINE)
    words = ["uvx", *shlex.split(advised)] if installer == "pipx" else shlex.split(advised)
    of_wheel = [f"embedstack[all] @ file://{wheel}" if word == "embedstack[all]" else word for word in words]
    assert of_wheel != words
    assert newcomer.run(*of_wheel).returncode == 0
    assert newcomer.run("embedstack", "version").stdout.startswith(f"embedstack {__version__} ")

    assert newcomer.run(*uninstall, "embedstack").returncode == 0
    left = {path.name for path in (newcomer.home / ".local").rglob("*embed*")}
    assert left <= {".embedstack.lock"}  # pipx's
