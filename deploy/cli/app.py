"""`embedstack` with all its commands: one a verb. Exit codes stand in `deploy.errors`."""

import os
import signal
import sys

from embedstack.deploy.cli import about, bridge, config, model, stack, webui
from embedstack.deploy.cli.verb import app

__all__ = ["about", "app", "bridge", "config", "model", "run", "stack", "webui"]


def run() -> None:
    if about.VARIABLE in os.environ:
        about.register()  # a shell asks what may come next
    # Whoever ends us, what we started ends first: each of these unwinds the stack as Ctrl-C does, also where a script
    # has started us in the background, with SIGINT ignored. A SIGHUP that is ignored (nohup) stays so.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    sys.exit(app())
