"""`embedstack` with all its verbs. Exit codes: `deploy.errors`."""

import os
import signal
import sys

from typer import completion as typer_completion

from embedstack.deploy.cli import bridge, config, model, stack, webui
from embedstack.deploy.cli.verb import app

__all__ = ["app", "bridge", "config", "model", "run", "stack", "webui"]


def _answer_shells() -> None:
    """What may come next; typer does so by itself only for an app with its --install-completion."""
    typer_completion.get_completion_inspect_parameters()


def run() -> None:
    if bridge.VARIABLE in os.environ:
        _answer_shells()
    # On each of these signals we end what we started first, as on Ctrl-C; also if a script started us in the background
    # with SIGINT ignored. A SIGHUP that is ignored (nohup) stays ignored.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    sys.exit(app())
