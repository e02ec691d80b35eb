"""Which `ollama` is on this machine, and whether it is whole."""

from pathlib import Path

import pytest

from embedstack.deploy.errors import EngineNotUsable
from embedstack.deploy.ollama.locate import Installed, find, helper, installed, version_in

OUTPUT = "Warning: could not connect to a running Ollama instance\\nWarning: client version is {}"


def program(folder: Path, version: str = "0.34.4", name: str = "ollama") -> Path:
    """A program that says it is that version of Ollama."""
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nprintf '{OUTPUT.format(version)}\\n'\n")
    path.chmod(0o755)
    return path


def llama_server(folder: Path) -> Path:
    path = folder / "lib" / "ollama" / "llama-server"
    path.parent.mkdir(parents=True)
    path.touch(0o755)
    return path


def test_path_comes_first(tmp_path: Path) -> None:
    """A program on PATH is taken before one at a usual place, which is taken before none."""
    named, usual = program(tmp_path / "named"), program(tmp_path / "usual")
    assert find({"PATH": str(named.parent)}, [str(usual.parent)]) == named
    assert find({"PATH": str(tmp_path)}, [str(usual.parent)]) == usual
    assert find({"PATH": str(tmp_path)}, []) is None


@pytest.mark.process
def test_a_whole_one(tmp_path: Path) -> None:
    """With its llama-server in ../lib/ollama, past a link to the program."""
    (tmp_path / "link").symlink_to(program(tmp_path))
    assert llama_server(tmp_path) == helper(tmp_path / "link")
    assert installed(tmp_path / "link") == Installed(tmp_path / "link", "0.34.4", "")


@pytest.mark.process
def test_one_without_its_llama_server(tmp_path: Path) -> None:
    """It would start, and fail at the first model: the message says where the file is missed."""
    with pytest.raises(EngineNotUsable, match="without llama-server") as refused:
        installed(program(tmp_path))
    assert str(tmp_path / "lib" / "ollama") in refused.value.message
    assert "ollama.com/download" in refused.value.advice


@pytest.mark.process
def test_an_older_one_needs_none(tmp_path: Path) -> None:
    """Before 0.30 the engine was inside the program; a note says that it is not tested."""
    assert "0.24.0" in installed(program(tmp_path, "0.24.0")).note


@pytest.mark.process
def test_one_that_is_too_old(tmp_path: Path) -> None:
    """It is refused before it is started."""
    with pytest.raises(EngineNotUsable, match=r"0\.11\.4 is too old"):
        installed(program(tmp_path, "0.11.4"))


@pytest.mark.process
@pytest.mark.parametrize("content", ["", "#!/bin/sh\necho broken >&2; exit 3\n"])
def test_one_that_does_not_run(tmp_path: Path, content: str) -> None:
    """The message has what it said, or why it could not be run."""
    path = program(tmp_path)
    path.write_text(content)
    with pytest.raises(EngineNotUsable, match=r"does not run|ended with 3: broken"):
        installed(path)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("ollama version is 0.34.4\n", "0.34.4"),
        ("ollama version is 0.31.0\nWarning: client version is 0.34.4\n", "0.34.4"),
        ("something else", ""),
    ],
)
def test_what_the_program_says(output: str, version: str) -> None:
    """Its own version, not that of a server that it has found."""
    assert version_in(output) == version
