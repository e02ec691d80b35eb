"""Which tests run in one process, and which begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import spread
from tests.paths import ROOT


def test_what_begins_is_there() -> None:
    """A file that was renamed would begin no more."""
    assert [start for start in spread.FIRST if not (ROOT / start).exists()] == []


def test_long_ones_are_first_and_the_rest_as_before() -> None:
    """The order is stable."""
    ids = ["tests/unit/a.py::test_b", "tests/integration/test_lanes.py::test_a", "tests/docker/test_z.py::test_a"]

    assert sorted([*ids, "tests/hub/a.py::test_a"], key=spread.rank) == [
        ids[2],
        ids[1],
        ids[0],
        "tests/hub/a.py::test_a",
    ]


@pytest.mark.process
def test_one_process_has_all_containers(tmp_path: Path) -> None:
    """However many files they stand in: each of these files only says which process has it."""
    folder = tmp_path / "tests" / "docker"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        source = f"import os\ndef test_{name}(worker_id): open({str(tmp_path / name)!r}, 'w').write(worker_id)\n"
        (folder / f"test_{name}.py").write_text(source)
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_xdist_make_scheduler\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", str(tmp_path)]
    source = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pytest; sys.exit(pytest.main({command[3:]!r}))"
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len({(tmp_path / name).read_text() for name in ("a", "b", "c", "d")}) == 1
