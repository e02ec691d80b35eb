"""`embedstack version`, `completion`, `smoke`, `cache`, `trace` and `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from embedstack.deploy.cli import about as completion_command
from embedstack.deploy.cli import about as version_command
from embedstack.deploy.cli.verb import BRIDGE_URL, Config, Json, Set, Stack, app, load, stack_name
from embedstack.deploy.console import INTERRUPTED, STOPPED, reporting


@app.command(epilog="Example: embedstack version --json")
def version(as_json: Json = False) -> None:
    """Say which version this is."""
    with reporting("version", as_json=as_json) as report:
        report.show(version_command.version())


@app.command(epilog='Example: eval "$(embedstack completion bash)"')
def completion(
    shell: Annotated[completion_command.Shell, typer.Argument(help="bash, zsh or fish.")], as_json: Json = False
) -> None:
    """Print what a shell needs to complete verbs and options."""
    with reporting("completion", as_json=as_json) as report:
        report.show(completion_command.completion(shell))


@app.command(epilog="Example: embedstack smoke --url http://localhost:11435 --junit smoke.xml")
def smoke(
    url: Annotated[
        str | None,
        typer.Option("--url", help="A bridge, an Ollama, or a server of OpenAI's shape. Default: the stack's bridge."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Its model, as it is called there. Default: the stack's.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="EMBEDSTACK_KEY", help="Its key, if it asks for one: that of the stack is known."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write a JUnit report here as well.")] = None,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Measure it with texts of 128, 512 and 2,048 tokens: long on a CPU.")
    ] = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Check that what answers at a URL is right: dimensions, norm, end of text, cuts, roles, published scores."""
    from embedstack.deploy.bridge_client import access
    from embedstack.deploy.smoke import command as smoke_command

    with reporting("smoke", as_json=as_json) as report:
        set_to = load(config, settings, {"stack.name": stack}).settings
        where = access(set_to.stack.name, url, key, otherwise=BRIDGE_URL)
        own = set_to.model.catalog
        asked = model or where.model or set_to.model.id
        found = smoke_command.smoke(where.url, asked, where.key, report, junit, own, throughput=throughput)
        report.show(found)
        report.leave(0 if found.passed else 1)


cache = typer.Typer(help="The vectors that a running bridge keeps.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Url = Annotated[str | None, typer.Option("--url", help="Another bridge than the stack's.")]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="EMBEDSTACK_KEY", help="An administrator's key, if it has any.", show_envvar=True),
]


@cache.command("stats", epilog="Example: embedstack cache stats --json")
def cache_stats(
    url: Url = None, key: Key = None, stack: Stack = None, config: Config = None, as_json: Json = False
) -> None:
    """Say how many vectors are kept, where, and how the disk is."""
    from embedstack.deploy import bridge_verbs as cache_command
    from embedstack.deploy.bridge_client import access

    with reporting("cache stats", as_json=as_json) as report:
        where = access(stack_name(config, None, stack), url, key, otherwise=BRIDGE_URL)
        report.show(cache_command.cache_stats(where.url, where.key))


@cache.command("clear", epilog="Example: embedstack cache clear")
def cache_clear(
    url: Url = None, key: Key = None, stack: Stack = None, config: Config = None, as_json: Json = False
) -> None:
    """Forget every vector, and what the model was known by: after a change of weights under one name."""
    from embedstack.deploy import bridge_verbs as cache_command
    from embedstack.deploy.bridge_client import access

    with reporting("cache clear", as_json=as_json) as report:
        where = access(stack_name(config, None, stack), url, key, otherwise=BRIDGE_URL)
        report.show(cache_command.clear_cache(where.url, where.key))


@app.command(epilog="Example: embedstack trace --last 20")
def trace(
    last: Annotated[
        int, typer.Option("--last", "-n", min=0, max=100_000, help="Requests of before to begin with.")
    ] = 10,
    once: Annotated[bool, typer.Option("--once", help="End after those.")] = False,
    url: Annotated[str | None, typer.Option("--url", help="Another bridge than the stack's.")] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="EMBEDSTACK_KEY", help="That bridge's admin key.", show_envvar=True),
    ] = None,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Follow what clients ask the bridge for: which role, where it came from, tokens, cache, times. Never a text,
    unless the bridge was started with `trace.text`. --json writes an object a line; with --once, one document."""
    from embedstack.deploy import bridge_verbs as trace_command
    from embedstack.deploy.bridge_client import access

    with reporting("trace", as_json=as_json, interrupted=INTERRUPTED if once else None) as report:
        name = stack_name(config, settings, stack)
        where = access(name, url, key, otherwise=BRIDGE_URL)
        if once:
            report.show(trace_command.trace(where, last))
        else:
            trace_command.follow(where, last, report)


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
    from embedstack.deploy.demo import command as demo_command

    with reporting("demo", as_json=as_json, interrupted=STOPPED) as report:
        demo_command.run(report, once=once, port=port)
