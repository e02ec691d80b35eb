"""The `ollama` program of this machine, and whether it is whole.

From 0.30 on Ollama runs models in llama.cpp's `llama-server`, and looks for it from its own place
(llm/llama_binary.go). A program that was built alone starts, answers, and fails at the first model.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedstack.deploy.errors import EngineNotUsable
from embedstack.deploy.ollama.address import address
from embedstack.deploy.ollama.version import judge, needs_llama_server

PROGRAM, HELPER = "ollama", "llama-server"
# Where installers put it when PATH does not say so.
PLACES = ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/Applications/Ollama.app/Contents/Resources")
# As Ollama looks for it, from the folder of its program: installed, in the macOS application, in a source tree.
HELPER_PLACES = ("../lib/ollama", ".", "build/lib/ollama", "dist/lib/ollama")
TIMEOUT = 10.0  # seconds
OWN_PORT = 11434  # where the program looks for its server unless OLLAMA_HOST says otherwise
NOWHERE = "127.0.0.1:1"  # nobody listens there, so that the program tells its own version, not that of a server
INSTALL = "Install Ollama by its own installer (https://ollama.com/download): it brings llama-server along."


@dataclass(frozen=True)
class Installed:
    """An `ollama` that can be started. `note`: what to know of its version, "" for nothing."""

    program: Path
    version: str
    note: str


def find(environ: Mapping[str, str], places: Sequence[str] | None = None) -> Path | None:
    """The program on PATH, else where installers put it."""
    path = os.pathsep.join([*environ.get("PATH", "").split(os.pathsep), *(PLACES if places is None else places)])
    found = shutil.which(PROGRAM, path=path)
    return Path(found) if found else None


def command(url: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """How the program is typed for the Ollama at `url`; empty where it is not installed here. InvalidSettings."""
    if (program := find(environ)) is None:
        return ()
    word = PROGRAM if shutil.which(PROGRAM, path=environ.get("PATH", "")) else str(program)
    return (word,) if address(None, environ, OWN_PORT) == url.rstrip("/") else (f"OLLAMA_HOST={url}", word)


def installed(program: Path) -> Installed:
    """EngineNotUsable where it does not run, is too old, or lacks its llama-server."""
    version = program_version(program)
    judged = judge(version)
    if needs_llama_server(version) and helper(program) is None:
        raise EngineNotUsable(
            f"{program} is Ollama {version} without {HELPER}: it could load no model. "
            f"It would lie in {(program.resolve().parent / HELPER_PLACES[0]).resolve()}.",
            INSTALL,
        )
    return Installed(program, version, judged.note)


def helper(program: Path) -> Path | None:
    """The llama-server that this program would find."""
    folder = program.resolve().parent  # as Ollama itself does, past links
    candidates = ((folder / place / HELPER).resolve() for place in HELPER_PLACES)
    return next((path for path in candidates if os.access(path, os.X_OK) and path.is_file()), None)


def version_in(output: str) -> str:
    """The program's own version in what `ollama --version` prints, "" where there is none."""
    found = re.search(r"client version is (\S+)", output) or re.search(r"version is (\S+)", output)
    return found[1] if found else ""


def program_version(program: Path) -> str:
    """What it calls itself, "" where it does not say. EngineNotUsable where it does not run."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            env={**os.environ, "OLLAMA_HOST": NOWHERE},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineNotUsable(f"{program} does not run: {error}", INSTALL) from error
    if done.returncode:
        raise EngineNotUsable(f"{program} --version ended with {done.returncode}: {done.stderr.strip()}", INSTALL)
    return version_in(done.stdout + done.stderr)
