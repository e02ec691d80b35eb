"""What `make release-check` refuses, and what it writes."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from embedstack import __version__
from tests.paths import ROOT
from tests.release import artifacts, checks
from tests.release.artifacts import ReleaseFault

Tree = Callable[..., Path]
DAY = "2026-01-31"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A folder with a version, a changelog and a Compose file."""

    def made(version: str = "1.2.3", *, entry: str = f"1.2.3 ({DAY})", image: str = "1.2.3") -> Path:
        (tmp_path / "compose").mkdir()
        (tmp_path / "compose" / "compose.yaml").write_text(f"image: ${{X:-embedstack/bridge:{image}}}\n")
        (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
        (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {entry}\n\n## 1.0.0 (2025-12-31)\n")
        return tmp_path

    return made


def _commit(root: Path) -> None:
    own = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "--quiet"), ("add", "--all"), (*own, "commit", "--quiet", "--message", "all")):
        subprocess.run(["/usr/bin/env", "git", *words], cwd=root, check=True)


def test_this_tree_has_one_version() -> None:
    """In pyproject.toml, the changelog and every tag of the bridge's image."""
    assert checks.version(ROOT, None) == __version__


def test_what_is_not_released_yet_passes_without_a_tag(tree: Tree) -> None:
    """So that the check can be run on any day."""
    assert checks.version(tree(entry="1.2.3 (unreleased)"), None) == "1.2.3"


@pytest.mark.parametrize(
    ("given", "tag", "said"),
    [
        ({"version": "1.2.4"}, None, r"pyproject\.toml has 1\.2\.4, the newest entry of CHANGELOG\.md 1\.2\.3"),
        ({"entry": "no version"}, None, r"1\.2\.3, the newest entry of CHANGELOG\.md 1\.0\.0"),
        ({"image": "1.2.2"}, None, r"compose/compose\.yaml has the bridge's image of 1\.2\.2"),
        ({}, "v1.2.4", r"the tag has to be v1\.2\.3"),
        ({}, "1.2.3", r"the tag has to be v1\.2\.3"),
        ({"entry": "1.2.3 (unreleased)"}, "v1.2.3", "Put the day there"),
    ],
)
def test_versions_that_differ_are_no_release(tree: Tree, given: dict[str, str], tag: str | None, said: str) -> None:
    """Each with the place that has another."""
    with pytest.raises(ReleaseFault, match=said):
        checks.version(tree(**given), tag)


@pytest.mark.process
def test_a_tag_is_released_from_what_was_committed(tree: Tree) -> None:
    """A file that was changed since is named."""
    root = tree()
    _commit(root)
    assert checks.version(root, "v1.2.3") == "1.2.3"

    (root / "compose" / "compose.yaml").write_text("image: embedstack/bridge:1.2.3\n")
    with pytest.raises(ReleaseFault, match=r"M compose/compose\.yaml"):
        checks.version(root, "v1.2.3")


@pytest.mark.process
@pytest.mark.slow
def test_the_distributions_agree_and_the_checksums_are_theirs(tmp_path: Path) -> None:
    """`sha256sum` finds every file as it was; a wheel with other metadata is refused."""
    wheel, sdist = artifacts.build(ROOT, tmp_path / "dist")
    assert f"embedstack {__version__}" in artifacts.check_metadata(wheel, sdist, __version__)
    artifacts.checksums(wheel.parent)
    verify = ["/usr/bin/env", "sha256sum", "--check", "--quiet", artifacts.SUMS]
    assert subprocess.run(verify, cwd=wheel.parent, check=False).returncode == 0

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith("METADATA"))
        text = archive.read(name).replace(b"Apache-2.0", b"MIT")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(name, text)
    with pytest.raises(ReleaseFault, match="different metadata"):
        artifacts.check_metadata(wheel, sdist, __version__)
    assert subprocess.run(verify, cwd=wheel.parent, capture_output=True, check=False).returncode == 1


@pytest.mark.process
@pytest.mark.slow
def test_a_build_that_fails_says_why(tmp_path: Path) -> None:
    """The command and the end of what it printed."""
    with pytest.raises(ReleaseFault, match=r"(?s)hatchling build .*ended with 1:.*Missing `project`"):
        artifacts.build(tmp_path, tmp_path / "dist")
