"""Running `docker` and `docker compose`: echoed, and what they say goes to the person or into the error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from embedstack.deploy.console import Report
from embedstack.deploy.docker import client
from embedstack.deploy.errors import CommandFailed, EngineNotUsable

LAST_LINES = 20


def run(argv: Sequence[str], report: Report) -> str:
    """Run to the end; its standard output. On a terminal its progress is seen. CommandFailed with its last lines."""
    report.command(argv)
    seen = sys.stderr.isatty()
    with _found():
        done = subprocess.run(
            list(argv),
            env=client.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if seen else subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode:
        last = (done.stderr or "").strip().splitlines()[-LAST_LINES:]
        what = " ".join(argv[:2])
        raise CommandFailed(f"`{what}` ended with {done.returncode}.", "\n".join(last))
    return done.stdout


def lines(argv: Sequence[str], report: Report) -> Iterator[str]:
    """Its output, both streams, line by line as it comes; ended when nobody reads on."""
    report.command(argv)
    with (
        _found(),
        subprocess.Popen(
            list(argv),
            env=client.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child,
    ):
        assert child.stdout is not None  # noqa: S101 -- asked for above
        try:
            for line in child.stdout:
                yield line.rstrip("\n")
        finally:
            child.terminate()


@contextmanager
def _found() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise EngineNotUsable(
            "There is no `docker` command on this machine.", "Install Docker, or take --mode native."
        ) from error
