"""docs/stack.md, Uninstall: its commands, typed one after the other, leave nothing of ours in a home."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from embedstack.models.demo.build import default_folder
from tests.paths import ROOT
from tests.stack_command import EMBEDSTACK, stack_command

DOCUMENT = ROOT / "docs" / "stack.md"
# Of other programs, which have no home here, or of the checkout that the tests run in.
_ELSEWHERE = ("systemctl", "docker", "make", "pip", "uv", "embedstack model remove")


def _commands() -> list[str]:
    section = DOCUMENT.read_text().partition("## Uninstall")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[2] for line in section.splitlines() if line.startswith("| ")]
    found = [command for row in rows for command in re.findall(r"`([^`]+)`", row) if " " in command]
    return [command for command in found if not command.startswith((*_ELSEWHERE, "--"))]


def _of_ours(home: Path) -> list[str]:
    names = ("embedstack", "models--Qwen--Qwen3-Embedding")
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.name.startswith(names))


def test_the_commands_of_the_document_leave_nothing(tmp_path: Path) -> None:
    """A stack with data, Open WebUI's program, a model's files, the cache, settings: each in its usual place."""
    home = tmp_path / "user"
    for folder in (".cache/embedstack/open-webui/0.12.4/bin", ".cache/embedstack/bridge", ".config/embedstack"):
        (home / folder).mkdir(parents=True)
    (home / ".cache/embedstack/open-webui/0.12.4/bin/open-webui").write_text("a program")
    (home / ".config/embedstack/embedstack.yaml").write_text("stack: {expose: none}\n")
    (home / ".config/systemd/user").mkdir(parents=True)
    (home / ".config/systemd/user/embedstack.service").write_text("[Unit]\n")
    (home / ".cache/huggingface/hub/models--Qwen--Qwen3-Embedding-4B-GGUF").mkdir(parents=True)
    (home / ".cache/huggingface/hub/models--of--another").mkdir()
    (home / ".cache/embedstack/models").symlink_to(default_folder().parent)
    variables = {"HOME": str(home), "EMBEDSTACK_HOME": "", "EMBEDSTACK_CACHE": "", "HF_HOME": "", "HF_HUB_CACHE": ""}
    variables |= {f"XDG_{name}_HOME": "" for name in ("CACHE", "CONFIG", "DATA")}
    program = tmp_path / "bin" / "embedstack"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{EMBEDSTACK[2]}' \"$@\"\n")
    program.chmod(0o755)
    with stack_command(tmp_path, path=str(program.parent), **variables) as command:
        up = command.run("up")
        assert up.returncode == 0, up.stderr
        assert _of_ours(home)

        for line in _commands():
            typed = line.replace("down --volumes", "down --volumes --yes")
            shell = ["/bin/sh", "-c", typed]
            done = subprocess.run(shell, env=dict(command.environment), capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, (typed, done.stderr)

    assert _of_ours(home) == []
    assert (home / ".cache/huggingface/hub/models--of--another").is_dir()
    assert default_folder().is_dir()


def test_an_open_webui_that_runs_is_not_taken_away(tmp_path: Path) -> None:
    """Which process it is, and how to stop it, which works."""
    program = tmp_path / "cache" / "open-webui" / "9.9.9" / "bin" / "open-webui"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    with stack_command(tmp_path, EMBEDSTACK_CACHE=str(tmp_path / "cache")) as command:
        with subprocess.Popen([program], stdin=subprocess.PIPE) as running:
            refused = command.error("webui", "uninstall")
            assert (refused["code"], program.exists()) == ("blocked", True)
            advised = re.findall(r"`(kill \d+)`", refused["advice"])[0]
            subprocess.run(advised.split(), check=True)
            running.wait(30)

        done = command.data("webui", "uninstall")

    assert (done["versions"], program.exists()) == (["9.9.9"], False)
