"""`embedstack version`, `completion`, `smoke`, `cache`, `trace` and `demo`."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Group
from rich.text import Text
from typer import completion as typer_completion

from embedstack import __version__
from embedstack.contract import PORT
from embedstack.deploy.cli.verb import MODELS, VerbRun, group, verb
from embedstack.deploy.console import INTERRUPTED, STOPPED, Data
from embedstack.host.addresses import LOOPBACK

if TYPE_CHECKING:
    from embedstack.deploy.bridge_client import Access

Shell = Literal["bash", "zsh", "fish"]
PROGRAM, VARIABLE = "embedstack", "_EMBEDSTACK_COMPLETE"
BRIDGE_URL = f"http://{LOOPBACK}:{PORT}"  # where a bridge listens by default

Url = Annotated[str | None, typer.Option("--url", help="Address of the bridge. Default: the stack's.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="EMBEDSTACK_KEY",
        help="Admin key of that bridge. The stack's own is known.",
        show_envvar=True,
    ),
]


@dataclass(frozen=True)
class Version:
    """Versions of embedstack and of the Python that runs it."""

    version: str
    python: str

    def __rich__(self) -> str:
        return f"embedstack {self.version} (Python {self.python})"


@verb("version", "Example: embedstack version --json")
def version() -> Version:
    """Print the version of Embedstack and of Python."""
    return Version(__version__, platform.python_version())


@dataclass(frozen=True)
class Completion:
    """A script for one shell."""

    shell: Shell
    script: str

    def __rich__(self) -> Group:
        """Line by line and never wrapped: it goes into a file, or into `eval`."""
        return Group(*(Text(line, no_wrap=True, overflow="ignore") for line in self.script.splitlines()))


@verb("completion", 'Example: eval "$(embedstack completion bash)"')
def completion(shell: Annotated[Shell, typer.Argument(help="Your shell: bash, zsh or fish.")]) -> Completion:
    """Print a script with which your shell completes verbs and options."""
    script = typer_completion.get_completion_script(  # type: ignore[attr-defined]  # typer has no other name for it
        prog_name=PROGRAM, complete_var=VARIABLE, shell=shell
    )
    return Completion(shell, script)


group("cache", "Inspect or clear the cached vectors of a running bridge.")


@verb("smoke", "Example: embedstack smoke --url http://localhost:11435 --junit smoke.xml")
def smoke(
    run: VerbRun,
    url: Annotated[
        str | None,
        typer.Option("--url", help="A bridge, an Ollama, or an OpenAI-compatible server. Default: the stack's bridge."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"The model's name there, such as {MODELS}. Default: the stack's."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            envvar="EMBEDSTACK_KEY",
            help="API key of that server. The stack's own is known.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write a JUnit report to this file.")] = None,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Also measure with texts of 128, 512 and 2,048 tokens. Slow on a CPU.")
    ] = False,
) -> Data:
    """Check that a server gives the right vectors: dimensions, norm, end of text, cuts, roles, published scores."""
    from embedstack.deploy.smoke import run as checks

    settings = run.settings()
    where = _access(settings.stack.name, url, key)
    target = checks.SmokeTarget(where.url, model or where.model or settings.model.id, where.key, settings.model.catalog)
    return checks.smoke(target, run.report, junit, throughput=throughput)


@verb("cache stats", "Example: embedstack cache stats --json", takes=("stack", "config"))
def cache_stats(run: VerbRun, url: Url = None, key: Key = None) -> Data:
    """Show how many vectors are cached, where, and the state of the disk cache."""
    from embedstack.deploy import bridge_verbs

    where = _access(run.stack_name(), url, key)
    return bridge_verbs.cache_stats(where.url, where.key)


@verb("cache clear", "Example: embedstack cache clear", takes=("stack", "config"))
def cache_clear(run: VerbRun, url: Url = None, key: Key = None) -> Data:
    """Delete all cached vectors and the record of the model. Use it after new weights under the same name."""
    from embedstack.deploy import bridge_verbs

    where = _access(run.stack_name(), url, key)
    return bridge_verbs.clear_cache(where.url, where.key)


@verb(
    "trace",
    "Example: embedstack trace --last 20",
    interrupted=lambda asked: INTERRUPTED if asked["once"] else None,
)
def trace(
    run: VerbRun,
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, max=100_000, help="How many past requests to show first.")
    ] = 10,
    once: Annotated[bool, typer.Option("--once", help="Show the past requests and exit.")] = False,
    url: Url = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            envvar="EMBEDSTACK_KEY",
            help="Admin key of that bridge. The stack's own is known.",
            show_envvar=True,
        ),
    ] = None,
) -> Data | None:
    """Follow the requests that clients send: role and where it came from, tokens, cache hits, times.

    Texts are shown only if the bridge runs with `trace.text`. --json prints one object a line; with --once, one
    document."""
    from embedstack.deploy import bridge_verbs

    where = _access(run.stack_name(), url, key)
    if once:
        return bridge_verbs.trace(where, last)
    bridge_verbs.follow(where, last, run.report)
    return None


@verb("demo", "Example: embedstack demo --once", takes=(), interrupted=STOPPED)
def demo(
    run: VerbRun,
    once: Annotated[bool, typer.Option("--once", help="Ask one question, print the answer and exit.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the bridge. Default: 11435; with --once, any free port."),
    ] = None,
) -> None:
    """See the bridge at work: build a stand-in model, ask a question, show the ranking, then serve until Ctrl-C."""
    from embedstack.deploy.demo import command

    command.run(run.report, once=once, port=port)


def _access(stack: str, url: str | None, key: str | None) -> "Access":
    from embedstack.deploy.bridge_client import access

    return access(stack, url, key, otherwise=BRIDGE_URL)
