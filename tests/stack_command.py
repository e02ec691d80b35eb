"""The real `embedstack` command, on a stack of its own: a home, ports and an Ollama folder that nobody else has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedstack.deploy.config import SCHEMA
from tests.engines.process import free_port

TIMEOUT = 900.0  # seconds
EMBEDSTACK = (sys.executable, "-c", "from embedstack.deploy.cli import main; main()")
PORTS = ("BRIDGE", "BRIDGE_BF16", "OLLAMA", "VLLM", "WEBUI")


@dataclass(frozen=True)
class StackCommand:
    """`embedstack` with its environment. `ports` by the settings' names."""

    folder: Path
    environment: Mapping[str, str]
    ports: Mapping[str, int]

    @property
    def bridge(self) -> str:
        return f"http://127.0.0.1:{self.ports['BRIDGE']}"

    @property
    def ollama(self) -> str:
        return f"http://127.0.0.1:{self.ports['OLLAMA']}"

    @property
    def webui(self) -> str:
        return f"http://127.0.0.1:{self.ports['WEBUI']}"

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """`embedstack WORDS`, with more variables."""
        return subprocess.run(
            [*EMBEDSTACK, *words],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The same, and not waited for."""
        return subprocess.Popen(
            [*EMBEDSTACK, *words],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def data(self, *words: str, **more: str) -> dict[str, Any]:
        """The data of a command that must do its work."""
        done = self.run(*words, "--json", **more)
        assert done.returncode == 0, done.stdout + done.stderr
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        return data

    def error(self, *words: str, **more: str) -> dict[str, Any]:
        """The error of a command that must not."""
        done = self.run(*words, "--json", **more)
        assert done.returncode != 0, done.stdout
        error: dict[str, Any] = json.loads(done.stdout)["error"]
        assert done.returncode == error["exit_code"]
        return error

    def by_flags(self) -> tuple[StackCommand, tuple[str, ...]]:
        """The same without settings in its environment, and the flags that say them."""
        rows = {row.variable: key for key, row in SCHEMA.table.items()}
        flags = [f"--set={rows[name]}={value}" for name, value in self.environment.items() if name in rows]
        kept = {name: value for name, value in self.environment.items() if name not in rows}
        return replace(self, environment=kept), tuple(flags)

    def pids(self) -> dict[str, int]:
        """Of the parts that run, by name."""
        done = self.run("status", "--json")
        parts = json.loads(done.stdout)["data"]["parts"]
        return {part["name"]: part["pid"] for part in parts if part["state"] == "running"}


@contextmanager
def stack_command(folder: Path, *, path: str | None = None, **more: str) -> Iterator[StackCommand]:
    """A command whose stack is down when the block ends. `path` is put before PATH: programs that it shall find; `more`
    are variables of its environment."""
    ports = {name: free_port() for name in PORTS}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    environment = {
        **kept,
        "EMBEDSTACK_HOME": str(folder / "home"),
        "EMBEDSTACK_ENGINE_THREADS": "1",
        "EMBEDSTACK_STACK_MODE": "native",
        "EMBEDSTACK_WEBUI_ENABLED": "false",
        "EMBEDSTACK_MODEL_ID": "demo",
        "OLLAMA_MODELS": str(folder / "models"),
        "HF_HOME": str(folder / "hf"),
        "COLUMNS": "200",
        **{f"EMBEDSTACK_PORTS_{name}": str(port) for name, port in ports.items()},
        **({"PATH": f"{path}{os.pathsep}{kept['PATH']}"} if path else {}),
        **more,
    }
    command = StackCommand(folder, environment, ports)
    try:
        yield command
    finally:
        command.run("down")


# Settings and caches of the person who runs the tests; the demo model's folder (EMBEDSTACK_CACHE) is shared on purpose.
_OTHERS = (
    *(
        f"EMBEDSTACK_{name}"
        for name in ("HOME", "CONFIG", "STACK", "MODEL", "HUB", "ENGINE_", "VLLM", "BRIDGE", "WEBUI")
    ),
    *("EMBEDSTACK_PORTS", "EMBEDSTACK_IMAGES", "OLLAMA", "HF_", "EMBED_BRIDGE_"),
)
