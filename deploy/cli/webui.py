"""`embedstack webui …`"""

from typing import Annotated

import typer

from embedstack.deploy import advice
from embedstack.deploy.cli.verb import VerbRun, group, verb
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Data
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere, elsewhere

group("webui", "Open WebUI: its embedding settings, its index, its administrator's password.")

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


_GOES_ON = "Interrupted; Open WebUI may go on by itself. `embedstack webui reindex` goes through all of it again."


@verb("webui status", "Example: embedstack webui status --json")
def status(
    run: VerbRun, url: Url = None, token: Token = None, bridge: Bridge = None, bridge_key: BridgeKey = None
) -> Data:
    """Say of each setting what it is, what it should be, and where both came from. Exit status 1 where one differs."""
    from embedstack.deploy.webui.verbs import status

    there = elsewhere(url, token, bridge, None, bridge_key)
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
        bool, typer.Option("--reindex", help="Embed anew what is indexed, where the change would break its index.")
    ] = False,
    any_version: AnyVersion = False,
) -> Data:
    """Set what differs; done again it changes nothing. Exit status 1 where a text's role does not reach the bridge."""
    from embedstack.deploy.webui.verbs import apply

    there = elsewhere(url, token, bridge, bridge_here, bridge_key, key)
    return apply.apply(_load(run, there), there, run.report, reindex=reindex, any_version=any_version)


@verb("webui reindex", "Example: embedstack webui reindex --chat-files", interrupted=_GOES_ON)
def reindex(
    run: VerbRun,
    chat_files: Annotated[
        bool, typer.Option("--chat-files", help="Files attached to chats too, which Open WebUI leaves out.")
    ] = False,
    url: Url = None,
    token: Token = None,
    bridge: Bridge = None,
    bridge_here: BridgeHere = None,
    key: AdminKey = None,
    any_version: AnyVersion = False,
) -> Data:
    """Embed anew all that is indexed, count it and ask it. Exit status 1 where a file failed."""
    from embedstack.deploy.webui.verbs import reindex

    there = elsewhere(url, token, bridge, bridge_here, None, key)
    return reindex.reindex(_load(run, there), there, run.report, chat_files=chat_files, any_version=any_version)


@verb("webui demo", "Example: embedstack webui demo --question 'How many vacation days do I have?'")
def demo(
    run: VerbRun,
    question: Annotated[str | None, typer.Option("--question", help="Another than 公司年假政策有哪些?")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the knowledge base away again.")] = False,
    url: Url = None,
    token: Token = None,
    any_version: AnyVersion = False,
) -> Data:
    """See it find what is meant: a handbook in a knowledge base, a question, the paragraph that answers it."""
    from embedstack.deploy.webui.verbs import demo

    there = elsewhere(url, token)
    settings = _load(run, there).settings
    if remove:
        return demo.remove(settings, there, run.report, any_version=any_version)
    return demo.demo(settings, there, run.report, question, any_version=any_version)


@verb("webui open", "Example: embedstack webui open")
def open_(run: VerbRun) -> Data:
    """Open it in the browser, and say its address."""
    from embedstack.deploy.webui.verbs import status

    return status.open_(run.settings(), run.report, browse=not run.as_json)


@verb("webui password", "Example: embedstack webui password")
def password(
    run: VerbRun,
    email: Annotated[
        str | None, typer.Option("--email", help="Whose. Default: the administrator of webui.admin_email.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Type it, unseen and twice. Otherwise a new one is made.")] = False,
) -> Data:
    """Give an administrator a new password, shown once: for when the old one is lost. Whoever has it is signed out."""
    from embedstack.deploy.webui.verbs import password

    settings = run.settings()
    return password.password(settings, run.report, email=email, typed=_typed() if ask else None)


@verb("webui uninstall", "Example: embedstack webui uninstall", takes=())
def uninstall(run: VerbRun) -> Data:
    """Take its program away, 7 GB that all stacks share (native). Documents and accounts stay with their stack."""
    from embedstack.deploy.webui.verbs import uninstall

    return uninstall.uninstall(run.report)


def _load(run: VerbRun, there: Elsewhere | None) -> LoadedSettings:
    loaded = run.load()
    if there is not None:
        advice.elsewhere(there.url, there.bridge, there.bridge_here)
    return loaded


def _typed() -> str:
    """What was typed; nothing of it is seen. InvalidSettings where nobody is there to type."""
    try:
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    except typer.Abort as error:
        raise InvalidSettings("No password was typed.", "Run it at a terminal, or without --ask.") from error
