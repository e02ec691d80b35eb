"""`embedstack webui …`"""

from pathlib import Path
from typing import Annotated

import typer

from embedstack.deploy import advice
from embedstack.deploy.cli.verb import Config, Json, Set, Stack, app, load
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import reporting
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere, elsewhere

webui = typer.Typer(
    help="Open WebUI: its embedding settings, its index, its administrator's password.", no_args_is_help=True
)
app.add_typer(webui, name="webui")

Url = Annotated[str | None, typer.Option("--url", help="An Open WebUI that no stack of embedstack started.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="EMBEDSTACK_WEBUI_TOKEN",
        show_envvar=True,
        help="Of an administrator there. Others on this machine see a command line: rather set the variable.",
    ),
]
Bridge = Annotated[
    str | None, typer.Option("--bridge", help="The bridge as that Open WebUI reaches it. Default: the stack's own.")
]
BridgeHere = Annotated[
    str | None, typer.Option("--bridge-here", help="The same bridge as this machine reaches it, where that is another.")
]
AnyVersion = Annotated[bool, typer.Option("--any-version", help="Try a version that is not known.")]
BridgeKey = Annotated[
    str | None,
    typer.Option(
        "--bridge-key",
        envvar="EMBEDSTACK_BRIDGE_KEY",
        show_envvar=True,
        help="What Open WebUI shall show that bridge, where it asks for a key.",
    ),
]
AdminKey = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="EMBEDSTACK_KEY", show_envvar=True, help="An administrator's key of that bridge, for its trace."
    ),
]


def _load(
    config: Path | None, settings: list[str] | None, stack: str | None, there: Elsewhere | None
) -> LoadedSettings:
    loaded = load(config, settings, {"stack.name": stack})
    if there is not None:
        advice.elsewhere(there.url, there.bridge, there.bridge_here)
    return loaded


@webui.command("status", epilog="Example: embedstack webui status --json")
def webui_status(
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_key: BridgeKey = None,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Say of each setting what it is, what it should be, and where both came from. Exit status 1 where one differs."""
    from embedstack.deploy.webui.verbs import status as command

    with reporting("webui status", as_json=as_json) as report:
        there = elsewhere(url, token, bridge, None, bridge_key)
        found = command.status(_load(config, settings, stack, there), there, report)
        report.show(found)
        report.leave(found.exit_code)


@webui.command("apply", epilog="Example: embedstack webui apply --url http://127.0.0.1:8080")
def webui_apply(
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    bridge_key: BridgeKey = None,
    key: AdminKey = None,
    reindex: Annotated[
        bool, typer.Option("--reindex", help="Embed anew what is indexed, where the change would break its index.")
    ] = False,
    any_version: AnyVersion = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Set what differs; done again it changes nothing. Exit status 1 where a text's role does not reach the bridge."""
    from embedstack.deploy.webui.verbs import apply as command

    with reporting("webui apply", as_json=as_json) as report:
        there = elsewhere(url, token, bridge, bridge_here, bridge_key, key)
        loaded = _load(config, settings, stack, there)
        done = command.apply(loaded, there, report, reindex=reindex, any_version=any_version)
        report.show(done)
        report.leave(done.exit_code)


@webui.command("reindex", epilog="Example: embedstack webui reindex --chat-files")
def webui_reindex(
    chat_files: Annotated[
        bool, typer.Option("--chat-files", help="Files attached to chats too, which Open WebUI leaves out.")
    ] = False,
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    key: AdminKey = None,
    any_version: AnyVersion = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Embed anew all that is indexed, count it and ask it. Exit status 1 where a file failed."""
    from embedstack.deploy.webui.verbs import reindex as command

    going_on = "Interrupted; Open WebUI may go on by itself. `embedstack webui reindex` goes through all of it again."
    with reporting("webui reindex", as_json=as_json, interrupted=going_on) as report:
        there = elsewhere(url, token, bridge, bridge_here, None, key)
        loaded = _load(config, settings, stack, there)
        done = command.reindex(loaded, there, report, chat_files=chat_files, any_version=any_version)
        report.show(done)
        report.leave(done.exit_code)


@webui.command("demo", epilog="Example: embedstack webui demo --question 'How many vacation days do I have?'")
def webui_demo(
    question: Annotated[str | None, typer.Option("--question", help="Another than 公司年假政策有哪些?")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the knowledge base away again.")] = False,
    url: Url = None,
    token: Token = None,
    any_version: AnyVersion = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """See it find what is meant: a handbook in a knowledge base, a question, the paragraph that answers it."""
    from embedstack.deploy.webui.verbs import demo as command

    with reporting("webui demo", as_json=as_json) as report:
        there = elsewhere(url, token)
        loaded = _load(config, settings, stack, there)
        if remove:
            report.show(command.remove(loaded.settings, there, report, any_version=any_version))
        else:
            report.show(command.demo(loaded.settings, there, report, question, any_version=any_version))


@webui.command("open", epilog="Example: embedstack webui open")
def webui_open(stack: Stack = None, config: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """Open it in the browser, and say its address."""
    from embedstack.deploy.webui.verbs import open as command

    with reporting("webui open", as_json=as_json) as report:
        loaded = load(config, settings, {"stack.name": stack})
        report.show(command.open_(loaded.settings, report, browse=not as_json))


@webui.command("password", epilog="Example: embedstack webui password")
def webui_password(
    email: Annotated[
        str | None, typer.Option("--email", help="Whose. Default: the administrator of webui.admin_email.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Type it, unseen and twice. Otherwise a new one is made.")] = False,
    stack: Stack = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Give an administrator a new password, shown once: for when the old one is lost. Whoever has it is signed out."""
    from embedstack.deploy.webui.verbs import password as command

    with reporting("webui password", as_json=as_json) as report:
        loaded = load(config, settings, {"stack.name": stack})
        report.show(command.password(loaded.settings, report, email=email, typed=_typed() if ask else None))


@webui.command("uninstall", epilog="Example: embedstack webui uninstall")
def webui_uninstall(as_json: Json = False) -> None:
    """Take its program away, 7 GB that all stacks share (native). Documents and accounts stay with their stack."""
    from embedstack.deploy.webui.verbs import uninstall as command

    with reporting("webui uninstall", as_json=as_json) as report:
        report.show(command.uninstall(report))


def _typed() -> str:
    """What was typed; nothing of it is seen. InvalidSettings where nobody is there to type."""
    try:
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    except typer.Abort as error:
        raise InvalidSettings("No password was typed.", "Run it at a terminal, or without --ask.") from error
