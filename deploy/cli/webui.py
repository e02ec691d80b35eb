"""`embedstack webui …`"""

from typing import Annotated

import typer

from embedstack.deploy import advice
from embedstack.deploy.cli.verb import VerbRun, group, verb
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Data
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere, elsewhere

group("webui", "Set Open WebUI up: embedding settings, index, an administrator's password.")

Url = Annotated[str | None, typer.Option("--url", help="Address of an Open WebUI that Embedstack did not start.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="EMBEDSTACK_WEBUI_TOKEN",
        show_envvar=True,
        help="An administrator's token. Better set the variable: other users can read command lines.",
    ),
]
Bridge = Annotated[
    str | None,
    typer.Option("--bridge", help="Address of the bridge for that Open WebUI. Default: the stack's own."),
]
BridgeHere = Annotated[
    str | None, typer.Option("--bridge-here", help="Address of the same bridge from this machine, if it differs.")
]
AnyVersion = Annotated[bool, typer.Option("--any-version", help="Continue with an untested version of Open WebUI.")]
BridgeKey = Annotated[
    str | None,
    typer.Option(
        "--bridge-key",
        envvar="EMBEDSTACK_BRIDGE_KEY",
        show_envvar=True,
        help="API key that Open WebUI sends to that bridge, if it wants one.",
    ),
]
AdminKey = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="EMBEDSTACK_KEY", show_envvar=True, help="Admin key of that bridge, to read its trace."
    ),
]


_GOES_ON = "Interrupted; Open WebUI may continue by itself. `embedstack webui reindex` embeds everything again."


@verb("webui status", "Example: embedstack webui status --json")
def status(
    run: VerbRun,
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    bridge_key: BridgeKey = None,
    key: AdminKey = None,
) -> Data:
    """Show each setting: its value, the right value, and where both came from; and whether the index stays valid or has
    to be embedded again. Exit status 1 if a setting differs.
    """
    from embedstack.deploy.webui.verbs import status

    there = elsewhere(url, token, bridge, bridge_here, bridge_key, key)
    return status.status(_load(run, there), there, run.report)


@verb("webui apply", "Example: embedstack webui apply --url http://127.0.0.1:8080")
def apply(
    run: VerbRun,
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    bridge_key: BridgeKey = None,
    key: AdminKey = None,
    reindex: Annotated[
        bool, typer.Option("--reindex", help="Embed the index again if the change would break it.")
    ] = False,
    any_version: AnyVersion = False,
) -> Data:
    """Correct the settings that differ. Exit status 1 if the role of a text does not reach the bridge."""
    from embedstack.deploy.webui.verbs import apply

    there = elsewhere(url, token, bridge, bridge_here, bridge_key, key)
    return apply.apply(_load(run, there), there, run.report, reindex=reindex, any_version=any_version)


@verb("webui reindex", "Example: embedstack webui reindex --chat-files", interrupted=_GOES_ON)
def reindex(
    run: VerbRun,
    chat_files: Annotated[
        bool, typer.Option("--chat-files", help="Include files attached to chats, which Open WebUI leaves out.")
    ] = False,
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    key: AdminKey = None,
    any_version: AnyVersion = False,
) -> Data:
    """Embed the whole index again, then count and query it. Exit status 1 if a file failed."""
    from embedstack.deploy.webui.verbs import reindex

    there = elsewhere(url, token, bridge, bridge_here, None, key)
    return reindex.reindex(_load(run, there), there, run.report, chat_files=chat_files, any_version=any_version)


@verb("webui demo", "Example: embedstack webui demo --question 'How many vacation days do I have?'")
def demo(
    run: VerbRun,
    question: Annotated[str | None, typer.Option("--question", help="Default: 公司年假政策有哪些?")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete the demo's knowledge base.")] = False,
    url: Url = None,
    token: Token = None,
    any_version: AnyVersion = False,
) -> Data:
    """See a search by meaning: put a handbook into a knowledge base, ask a question, show the paragraph found."""
    from embedstack.deploy.webui.verbs import demo

    there = elsewhere(url, token)
    settings = _load(run, there).settings
    if remove:
        return demo.remove(settings, there, run.report, any_version=any_version)
    return demo.demo(settings, there, run.report, question, any_version=any_version)


@verb("webui open", "Example: embedstack webui open")
def open_(run: VerbRun) -> Data:
    """Open Open WebUI in the browser and print its address."""
    from embedstack.deploy.webui.verbs import status

    return status.open_(run.settings(), run.report, browse=not run.as_json)


@verb("webui password", "Example: embedstack webui password")
def password(
    run: VerbRun,
    email: Annotated[
        str | None, typer.Option("--email", help="E-mail of the account. Default: webui.admin_email.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Prompt for the password. Default: generate one.")] = False,
) -> Data:
    """Set a new password for an administrator and show it once. Their open sessions are signed out."""
    from embedstack.deploy.webui.verbs import password

    settings = run.settings()
    return password.password(settings, run.report, email=email, typed=_typed() if ask else None)


@verb("webui uninstall", "Example: embedstack webui uninstall", takes=())
def uninstall(run: VerbRun) -> Data:
    """Uninstall Open WebUI's program, 7 GB that all native stacks share. Documents and accounts stay."""
    from embedstack.deploy.webui.verbs import uninstall

    return uninstall.uninstall(run.report)


def _load(run: VerbRun, there: Elsewhere | None) -> LoadedSettings:
    loaded = run.load()
    if there is not None:
        advice.elsewhere(there.url, there.bridge, there.bridge_here)
    return loaded


def _typed() -> str:
    """The password, read without echo. InvalidSettings if there is no terminal to read from."""
    try:
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    except typer.Abort as error:
        raise InvalidSettings("No password was typed.", "Run it at a terminal, or without --ask.") from error
