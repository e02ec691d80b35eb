"""`embedstack`: one command a verb. Exit codes stand in `deploy.errors`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands import cache as cache_command
from deploy.commands import demo as demo_command
from deploy.commands import model as model_command
from deploy.commands import version as version_command
from deploy.console import reporting

app = typer.Typer(
    name="embedstack",
    help="Qwen3-Embedding on your own machine: the right vectors, no change to the client.",
    epilog="Exit status: 0 done, 1 failed, 2 not understood, 3 this machine is in the way, "
    "4 a part that was started is not well, 130 interrupted. docs/embedstack.md has the codes behind them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
model = typer.Typer(help="The models.", no_args_is_help=True)
app.add_typer(model, name="model")
cache = typer.Typer(help="The vectors that a running bridge keeps.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]

Url = Annotated[str, typer.Option("--url", help="Where the bridge listens.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="EMBEDSTACK_KEY", help="An administrator's key, if it has any.", show_envvar=True),
]


@cache.command("stats", epilog="Example: embedstack cache stats --json")
def cache_stats(url: Url = cache_command.DEFAULT_URL, key: Key = None, as_json: Json = False) -> None:
    """Say how many vectors are kept, where, and how the disk is."""
    with reporting("cache stats", as_json=as_json) as report:
        report.show(cache_command.stats(url, key))


@cache.command("clear", epilog="Example: embedstack cache clear")
def cache_clear(url: Url = cache_command.DEFAULT_URL, key: Key = None, as_json: Json = False) -> None:
    """Forget every vector, and what the model was known by: after a change of weights under one name."""
    with reporting("cache clear", as_json=as_json) as report:
        report.show(cache_command.clear(url, key))


@app.command(epilog="Example: embedstack demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Ask, print the answer and stop.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where the bridge listens: 11435, with --once any free port."),
    ] = None,
    as_json: Json = False,
) -> None:
    """See the bridge at work: a stand-in model, a question, a ranking; then it serves until Ctrl-C."""
    with reporting("demo", as_json=as_json) as report:
        demo_command.run(report, once=once, port=port)


@model.command("demo", epilog="Example: embedstack model demo --json")
def model_demo(as_json: Json = False) -> None:
    """Build the demo model, a small stand-in that needs no download, and say where it lies."""
    with reporting("model demo", as_json=as_json) as report:
        report.show(model_command.demo(report))


@model.command("modelfile", epilog="Example: embedstack model modelfile Qwen3-Embedding-4B-Q4_K_M.gguf > Modelfile")
def model_modelfile(
    gguf: Annotated[Path, typer.Argument(help="The model's GGUF.")],
    name: Annotated[
        str, typer.Option("--model", help="Which model it is, by any name in the catalogue.")
    ] = "qwen3-embedding:4b",
    num_ctx: Annotated[int | None, typer.Option(min=1, help="Context in tokens: the catalogue's unless given.")] = None,
    as_json: Json = False,
) -> None:
    """Print the Modelfile with which Ollama takes a GGUF as it should."""
    with reporting("model modelfile", as_json=as_json) as report:
        report.show(model_command.modelfile(gguf, name, num_ctx))


@app.command(epilog="Example: embedstack version --json")
def version(as_json: Json = False) -> None:
    """Say which version this is."""
    with reporting("version", as_json=as_json) as report:
        report.show(version_command.version())


def main() -> None:
    # Whoever ends us, what we started ends first: each of these unwinds the stack as Ctrl-C does, also where a script
    # has started us in the background, with SIGINT ignored. A SIGHUP that is ignored (nohup) stays so.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, signal.default_int_handler)
    sys.exit(app())
