"""The whole road, started in a folder full of modules whose names ours have: none of them is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedstack.deploy.native import client
from tests.integration.native.toys import stack

BIN = Path(sys.executable).parent
RAN = "ran.txt"
TRACE = f"import pathlib, sys; pathlib.Path({RAN!r}).open('a').write(__file__ + chr(10)); sys.exit(9)"
# Of everything that is started below, and of the standard library.
EVERY = ("embedstack", "tests", "json", "logging", "typing", "uvicorn", "xllamacpp", "numpy")
# What only the children import: a colon too many in PYTHONPATH lets Python itself run the others before a line of ours.
BELOW = ("bridge", "uvicorn", "xllamacpp")


def planted(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / f"{name}.py").write_text(TRACE)
    return folder


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("names", "variables"),
    [(EVERY, {}), (BELOW, {"PYTHONPATH": ":", "PYTHONSAFEPATH": "1"})],
    ids=["as-it-is", "in-pythonpath"],
)
def test_the_demo_runs_no_code_of_the_working_folder(
    tmp_path: Path, names: tuple[str, ...], variables: dict[str, str]
) -> None:
    """`embedstack demo --once`: the command, the bridge that it starts, and the engine that the bridge starts."""
    folder = planted(tmp_path, names)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMBED"))}
    done = subprocess.run(
        [BIN / "embedstack", "demo", "--once", "--json"],
        cwd=folder,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not (folder / RAN).exists(), (folder / RAN).read_text()
    assert json.loads(done.stdout)["ok"], done.stderr


def test_the_supervisor_runs_no_code_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the stack's, in which it works, nor of the one in which the command was given."""
    with stack(tmp_path / "stack") as places:
        planted(places.create().root, EVERY)
        monkeypatch.chdir(planted(tmp_path, EVERY))
        monkeypatch.setenv("PYTHONPATH", ":")
        assert client.start_supervisor(places)
        assert client.supervised(places)
        assert not (places.root / RAN).exists()
        assert not (tmp_path / RAN).exists()
