"""What the files around the code promise: Makefile, README, pins, workflows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from embedstack.bridge.settings import load
from embedstack.deploy.cli.app import app
from tests.engines.machine import PACKAGE_OF
from tests.paths import ROOT

DOCUMENTS = sorted(path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
# What lies in a checkout but is not part of it.
FOREIGN = {
    ".git",
    ".venv",
    "__pycache__",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "build",
    "dist",
    "results",
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads(_read("pyproject.toml"))


@cache
def _pins() -> dict[str, str]:
    lines = [line for line in _read("constraints.txt").splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def _make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/env", "make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def _targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", _read("Makefile"), re.MULTILINE)
    assert phony
    return set(phony[1].split())


def _code(document: Path) -> str:
    """The code of a document: its blocks and the spans in backticks."""
    text = _read(document)
    return "\n".join([*re.findall(r"```.*?```", text, re.DOTALL), *re.findall(r"(?<!`)`[^`]+`(?!`)", text)])


def _files() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        if path.is_file() and not FOREIGN & set(path.relative_to(ROOT).parts) and ".egg-info" not in str(path):
            yield path


def _requirements() -> list[Requirement]:
    project = _project()["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *_project()["build-system"]["requires"], *(line for e in extras for line in e)]
    return [one for one in map(Requirement, lines) if one.name != project["name"]]  # an extra may be made of others


@pytest.mark.process
def test_make_alone_lists_every_target() -> None:
    """`make` is `make help`, and no target is left out of the list."""
    listed = re.findall(r"^  make (\S+) +\S", _make().stdout, re.MULTILINE)

    assert set(listed) == _targets()
    assert len(listed) == len(set(listed))


@pytest.mark.process
def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    """Without a Python that it can use, make names what it tried and how to get one."""
    (tmp_path / "Makefile").write_text(_read("Makefile"))
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()

    done = _make("setup", "PYTHONS=python-that-is-not-there /bin/false", cwd=tmp_path)

    assert done.returncode != 0
    assert "tried: python-that-is-not-there /bin/false" in done.stderr
    assert "apt install python3-venv" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert not (tmp_path / ".venv").exists()


# In place of ten thousand files: a command that says which Python runs it, with its own in the second line.
COMMAND = """#!/bin/sh\\n"%s/.venv/bin/python" -c "import sys; print(sys.prefix)"\\n"""
INSTALL = f"""@printf '{COMMAND}' "$(CURDIR)" > $(BIN)/embedstack; chmod +x $(BIN)/embedstack"""


def _checkout(folder: Path) -> Path:
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy2(ROOT / name, folder)
    assert _where(folder) == folder
    return folder


def _where(folder: Path) -> Path:
    """The folder whose command runs when `make demo` is called in one."""
    done = _demo(cwd=folder)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1]).parent


def _demo(*options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """With a Python that saves the ten seconds which pip's installation takes."""
    python = cwd / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" --without-pip\n')
    python.chmod(0o755)
    return _make(*options, "demo", f"install={INSTALL}", "PYTHONS=./python", cwd=cwd)


@pytest.mark.process
@pytest.mark.parametrize("name", ["there", "a folder of mine"])
def test_a_folder_that_was_moved_is_set_up_again(tmp_path: Path, name: str) -> None:
    """Its commands name the old folder, which has gone: once, and then no more."""
    moved = _checkout(tmp_path / "here").rename(tmp_path / name)
    assert _where(moved) == moved
    assert "made again" not in _demo(cwd=moved).stdout


@pytest.mark.process
def test_a_folder_that_was_copied_runs_its_own_code(tmp_path: Path) -> None:
    """The old folder is still there, and its commands would run in place of the copy's."""
    copy = tmp_path / "copy"
    shutil.copytree(_checkout(tmp_path / "here"), copy, symlinks=True)
    assert _where(copy) == copy
    assert _where(tmp_path / "here") == tmp_path / "here"


@pytest.mark.process
def test_a_folder_whose_python_has_gone_is_set_up_again(tmp_path: Path) -> None:
    """As after the system's Python was replaced by a newer one."""
    checkout = _checkout(tmp_path / "here")
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert _where(checkout) == checkout


@pytest.mark.process
def test_a_folder_under_another_name_is_left_as_it_is(tmp_path: Path) -> None:
    """A link to a checkout is not a move."""
    link = tmp_path / "link"
    link.symlink_to(_checkout(tmp_path / "here"))
    for options in (["-C", str(link)], []):
        done = _demo(*options, cwd=tmp_path if options else link)
        assert done.returncode == 0
        assert "made again" not in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_make_commands_in_the_documents_exist(document: Path) -> None:
    """Nobody reads of a target that is not there."""
    named = {word for line in re.findall(r"\bmake ((?:[a-z0-9-]+ ?)+)", _code(document)) for word in line.split()}

    assert named <= _targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_flags_and_verbs_in_the_documents_exist(document: Path) -> None:
    """Every flag of `embed-bridge` and every verb of `embedstack` that is written about can be typed."""
    code = _code(document)
    flags = {
        flag for line in re.findall(r"embed-bridge( --[^\n`|#]*)", code) for flag in re.findall(r"--[a-z-]+", line)
    }
    verbs = {tuple(words.split()) for words in re.findall(r"embedstack((?: [a-z]+)+)", code)}
    known = load._parser().format_help()
    wrong = [verb for verb in verbs if CliRunner().invoke(app, [*verb, "--help"]).exit_code]

    assert {flag for flag in flags if flag not in known} == set()
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """A relative link names a file that is there."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", _read(document))

    assert [target for target in targets if not (ROOT / document).parent.joinpath(target).exists()] == []


def _anchors(document: Path) -> set[str]:
    """Of its headings, as GitHub makes them: lower case, hyphens for spaces, no punctuation."""
    prose = re.sub(r"```.*?```", "", _read(document), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_to_headings_lead_to_one(document: Path) -> None:
    """In the same document, or in another one."""
    found = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", _read(document))
    folder = (ROOT / document).parent
    targets = [((folder / name).resolve() if name else ROOT / document, anchor) for name, anchor in found]

    assert [anchor for target, anchor in targets if target.suffix == ".md" and anchor not in _anchors(target)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_paths_in_the_documents_are_there(document: Path) -> None:
    """A file or folder of this repository that is named in code is found under that name; NAME stands for any."""
    named = re.findall(
        r"`((?:benchmarks|bridge|compose|deploy|docs|embedstack|modelfiles|tests)/[\w./-]*)`", _read(document)
    )

    assert [path for path in named if "NAME" not in path and not (ROOT / path).exists()] == []


def test_the_readme_names_both_ways_in() -> None:
    """The two set-up commands stand in its first screen."""
    first = _read("README.md").splitlines()[:40]

    assert any(line.startswith("$ make demo") for line in first)
    assert any(line.startswith("$ make test") for line in first)


def test_ci_runs_the_readmes_test_command() -> None:
    """`.ci/run` runs lint, types, `make test` and every engine, by the same targets that people type."""
    stages = re.findall(r"^stage '[^']*' make (\S+)$", _read(".ci/run"), re.MULTILINE)

    assert stages == ["setup-dev", "lint", "types", "test", "engines", "test-all", "test-e2e"]


def _budgets() -> dict[str, tuple[int, int]]:
    lines = [line.split(maxsplit=2) for line in _read(".ci/budgets").splitlines() if not line.startswith("#")]
    return {name: (int(empty), int(warm)) for empty, warm, name in lines}


def test_each_stage_of_ci_has_a_budget() -> None:
    """All together 75 minutes on an empty machine, and 40 where the engines are built."""
    assert list(_budgets()) == re.findall(r"^stage '([^']*)'", _read(".ci/run"), re.MULTILINE)
    assert sum(empty for empty, _ in _budgets().values()) <= 75 * 60
    assert sum(warm for _, warm in _budgets().values()) <= 40 * 60


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    """`.ci/run` where nothing is installed or run: its commands only write down that they were called."""
    for folder in (".ci", "bin", "engines"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".ci" / "run").write_text(_read(".ci/run"))
    for name in ("make", "apt-get", "sudo"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $* $ARGS" >> commands\n[ "$1" != "$FAILS" ]\n')
        program.chmod(0o755)
    return tmp_path


def _run_ci(folder: Path, *, fails: str = "nothing") -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "EMBEDSTACK_ENGINES": str(folder / "engines"), "FAILS": fails}
    command = ["/usr/bin/env", "bash", ".ci/run"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.process
@pytest.mark.parametrize("machine", ["empty", "warm"])
def test_ci_says_which_stage_took_longer_than_its_budget(ci: Path, machine: str) -> None:
    """By the budget of a machine with engines or without; it is a warning, and no failure."""
    late = {"empty": "types", "warm": "lint"}
    lines = [f"{-1 if name == 'types' else 900} {-1 if name == 'lint' else 900} {name}" for name in _budgets()]
    (ci / ".ci" / "budgets").write_text("\n".join(["# seconds", *lines]))
    if machine == "warm":
        (ci / "engines" / "one").touch()

    done = _run_ci(ci)

    summary = done.stdout.partition("=== passed\n")[2].splitlines()
    reported = [re.sub(r"^ *\d+ s of +(-?\d+)  ", r"\1 ", line) for line in summary]
    warning = f"  (warning: over the budget of a machine that is {machine}, .ci/budgets)"
    assert reported == [
        *(f"-1 {name}{warning}" if name == late[machine] else f"900 {name}" for name in _budgets()),
        f"{900 * 7 - 1} all",
    ]
    assert done.returncode == 0


@pytest.mark.process
def test_ci_runs_each_test_once(ci: Path) -> None:
    """`make test` as a person types it; what it has run is left out of `make test-all`, and of nothing else."""
    (ci / ".ci" / "budgets").write_text(_read(".ci/budgets"))

    assert _run_ci(ci).returncode == 0

    ran = [line.split() for line in (ci / "commands").read_text().splitlines() if line.startswith("make")]
    assert ran == [
        *(["make", target] for target in ("setup-dev", "lint", "types", "test", "engines")),
        ["make", "test-all", "--beyond=embedded"],
        ["make", "test-e2e"],
    ]


@pytest.mark.process
def test_ci_ends_with_the_stage_that_fails(ci: Path) -> None:
    """Its name and its status stand at the end."""
    (ci / ".ci" / "budgets").write_text(_read(".ci/budgets"))

    done = _run_ci(ci, fails="types")

    assert done.returncode == 1
    assert "=== failed in: types (exit status 1)" in done.stdout
    assert "make test" not in done.stdout


def test_ci_installs_what_the_engines_need() -> None:
    """Every system package that an engine's recipe may ask for is one that `.ci/run` brings to an empty machine."""
    installed = set(re.findall(r"missing\+=\(([^)]*)\)", _read(".ci/run")))

    assert set(PACKAGE_OF.values()) <= {name for names in installed for name in names.split()}


def test_pins_are_names_and_versions_alone() -> None:
    """constraints.txt is sorted, and holds neither hashes nor hosts nor markers."""
    lines = [line for line in _read("constraints.txt").splitlines() if not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.+!]*", line)] == []
    assert lines == sorted(lines, key=lambda line: line.split("==")[0])
    assert len(lines) == len(_pins())


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    """Runtime, extras and build backend."""
    wrong = [str(r) for r in _requirements() if _pins().get(canonicalize_name(r.name)) not in r.specifier]

    assert wrong == []


def test_what_the_requirements_bring_along_is_pinned_too() -> None:
    """Every distribution that an installed requirement asks for, however indirectly, stands in constraints.txt."""
    missing, seen, waiting = set(), set(), [(r, frozenset(r.extras)) for r in _requirements()]
    while waiting:
        requirement, extras = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in _pins():
            missing.add(name)
            continue
        for line in distribution(name).requires or []:
            wanted = Requirement(line)
            if not wanted.marker or any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                waiting.append((wanted, frozenset(wanted.extras)))

    assert missing == set()


def _versions() -> list[str]:
    """The Python versions that may be installed on, by pyproject.toml."""
    wanted = SpecifierSet(_project()["project"]["requires-python"])
    return [version for version in (f"3.{minor}" for minor in range(30)) if f"{version}.5" in wanted]


def test_every_python_that_is_allowed_is_run_in_ci() -> None:
    """The workflow's matrix, the classifiers, what make looks for and what it takes are one list, with an end."""
    (workflow,) = [yaml.safe_load(path.read_text()) for path in WORKFLOWS if path.name == "ci.yml"]
    classifiers = [line.rpartition(" ")[2] for line in _project()["project"]["classifiers"] if "Python :: 3." in line]
    tried = re.search(r"^PYTHONS = \$\(PYTHON\) (.*) python3$", _read("Makefile"), re.MULTILINE)
    usable = re.search(r"\((\d+), (\d+)\) <= sys.version_info < \((\d+), (\d+)\)", _read("Makefile"))
    assert tried
    assert usable

    assert _versions() == ["3.11", "3.12", "3.13", "3.14"]
    assert workflow["jobs"]["check"]["strategy"]["matrix"]["python"] == _versions()
    assert classifiers == _versions()
    assert sorted(tried[1].split()) == [f"python{version}" for version in _versions()]
    assert _project()["project"]["requires-python"] == ">={}.{},<{}.{}".format(*usable.groups())


def test_the_changelog_knows_this_version() -> None:
    """The version in pyproject.toml has an entry."""
    assert f"\n## {_project()['project']['version']} " in _read("CHANGELOG.md")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_may_only_read(workflow: Path) -> None:
    """Each action is a full commit with its version beside it; the token can read the contents and no more."""
    text = workflow.read_text()
    uses = re.findall(r"uses: (.*)", text)

    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert ".ci/run" in text


def test_no_file_names_a_persons_machine() -> None:
    """Neither home folders nor the place where somebody's checkout lies."""
    place = re.compile(rb"(?<![\w.~$}])/(?:home/(?!someone\b)|Users/|root/|work/)[a-z]")

    assert [str(path.relative_to(ROOT)) for path in _files() if place.search(path.read_bytes())] == []


def test_each_test_that_stands_for_a_promise_is_there() -> None:
    """docs/reliability.md names no test that has gone."""
    named = set(re.findall(r"test_\w+\.py", _read("docs/reliability.md")))
    assert named
    assert named - {path.name for path in (ROOT / "tests").rglob("test_*.py")} == set()
