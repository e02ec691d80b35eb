"""The application itself; every other module of this package hangs its verbs on it."""

import typer

app = typer.Typer(
    name="embedstack",
    help="Qwen3-Embedding on your own machine: the right vectors, no change to the client.",
    epilog="Exit status: 0 done, 1 failed, 2 not understood, 3 this machine is in the way, 4 a part that was started "
    "is not well, 5 something outside could not be had, 6 what is indexed could not be searched any more, "
    "130 interrupted. docs/embedstack.md has the codes behind them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
