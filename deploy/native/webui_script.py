"""A few lines of Python, run by that of Open WebUI's environment: it has what we have not, as a database's driver."""

import os
import subprocess
from pathlib import Path

from embedstack.deploy.errors import PartNotReady
from embedstack.deploy.native.part import PartSpec, inherited
from embedstack.host import processes

TIMEOUT = 60.0  # seconds


def run(webui: PartSpec, script: str, argument: str) -> str:
    """What it prints, with the variables that Open WebUI is started with. PartNotReady with its last word."""
    argv = processes.command("-c", script, argument, program=Path(webui.argv[0]).with_name("python"))
    environ = {**inherited(os.environ), **webui.environment}
    try:
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise PartNotReady(f"Open WebUI's store of vectors gave no answer within {TIMEOUT:.0f} s.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PartNotReady(
            f"Open WebUI's store of vectors could not be asked: {last}",
            "See that its server runs, and that webui.vector_store_url and webui.vector_store_key_file are right.",
        )
    return done.stdout
