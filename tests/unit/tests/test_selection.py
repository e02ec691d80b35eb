"""Which tests run with which engines: `make test`, and beyond it `make test-all` as CI asks for it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.paths import ROOT

SAMPLE = """
import pytest

@pytest.fixture
def stack(engine):
    return engine

def test_nothing_is_started(): ...
def test_each_engine(engine): ...
def test_each_engine_behind_a_fixture(stack): ...

@pytest.mark.parametrize("size", [1, 2])
def test_each_engine_and_size(stack, size): ...

@pytest.mark.needs("ollama")
def test_one_engine(): ...

@pytest.mark.needs("embedded")
def test_the_embedded_engine(): ...

@pytest.mark.needs("ollama", "compose")
def test_two(): ...

@pytest.mark.needs("vllm")
def test_each_beside_one(engine): ...

@pytest.mark.thorough
def test_long(): ...

@pytest.mark.thorough
def test_long_with_each(engine): ...

@pytest.mark.thorough
class TestLong:
    @pytest.mark.needs("weaviate")
    def test_with_another(self): ...

class TestQuick:
    def test_quick(self): ...
    @pytest.mark.thorough
    def test_long(self): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tests of every kind, under the rules of this repository's."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -p no:asyncio\n")
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    return tmp_path


def chosen(folder: Path, *options: str) -> Counter[str]:
    """The tests that pytest would run; no engine has to be there for that."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *options, str(folder)]
    # The plugins of other packages take longer to import than the tests to collect.
    environment = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return Counter(line for line in done.stdout.splitlines() if "::" in line)


@pytest.mark.process
def test_what_make_test_runs_and_what_is_beyond_it_are_all_and_share_nothing(folder: Path) -> None:
    """CI runs each test once: none twice, and none falls between the two."""
    quick = chosen(folder)
    beyond = chosen(folder, "--engines=all", "--beyond=embedded")
    everything = chosen(folder, "--engines=all")

    assert quick + beyond == everything
    assert set(everything.values()) == {1}
    assert {name.partition("::")[2] for name in quick} == {
        "test_nothing_is_started",
        "test_each_engine[embedded]",
        "test_each_engine_behind_a_fixture[embedded]",
        *("test_each_engine_and_size[embedded-1]", "test_each_engine_and_size[embedded-2]"),
        "test_the_embedded_engine",
        "TestQuick::test_quick",
    }
    assert len(everything) == 32
