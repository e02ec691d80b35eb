"""What `embed-bridge` does: read the configuration, choose the engine, serve."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from embedstack import __version__
from embedstack.bridge import address, app
from embedstack.bridge.address import ListenError
from embedstack.bridge.engines import choose
from embedstack.bridge.listen.listener import Room, Server, connections
from embedstack.bridge.listen.protocol import protocol
from embedstack.bridge.observe.logs import configure
from embedstack.bridge.settings import load
from embedstack.bridge.settings.load import ConfigError, Loaded
from embedstack.bridge.settings.served import Served, served
from embedstack.bridge.settings.structs import Settings
from embedstack.bridge.signals import HANGUP
from embedstack.models.catalog import CatalogError
from embedstack.sentences import sentence

log = logging.getLogger("bridge")

# Open WebUI opens a connection for each chunk of a document, thousands at once; uvicorn's own default is 2048.
BACKLOG = 16_384


def run(argv: Sequence[str] | None) -> int:
    """The exit code; `argv` None: the command line's."""
    try:
        given = sys.argv[1:] if argv is None else argv
        loaded = load.load(given, os.environ)
        if loaded.action == "version":
            sys.stdout.write(f"embed-bridge {__version__}\n")
        elif loaded.action == "print-config":
            sys.stdout.write(loaded.render() + "\n")
        else:
            return _serve(loaded, given)
    except (ConfigError, CatalogError) as error:
        sys.stderr.write(f"embed-bridge: {sentence(str(error))}\n")
        return 2
    except ListenError as error:
        sys.stderr.write(f"embed-bridge: {error}\n")
        return 3
    return 0


def _serve(loaded: Loaded, argv: Sequence[str]) -> int:
    configure(loaded.settings.log)
    for warning in loaded.settings.warnings():
        log.warning(warning)
    what = served(loaded)
    settings = loaded.settings
    engines = asyncio.run(choose.resolve(settings, os.environ))
    bridge = app.Bridge(settings, what, choose.members(settings, engines, what.model, what.precision))
    if what.model.note:
        log.warning("%s: %s", what.model.id, what.model.note)
    _raise_descriptor_limit()
    # A chat takes a connection to Ollama as well.
    room = Room(connections(2 if settings.passthrough.ollama else 1))
    server = Server(_uvicorn(_rereading(bridge, argv, what), settings, room), room)
    for number in (signal.SIGTERM, signal.SIGINT):
        # At its end uvicorn raises the signal again for the handler that it found: this one, so that we exit with 0.
        signal.signal(number, server.handle_exit)
    listening = address.sockets(settings.listen, BACKLOG)
    log.info("listening on %s", ", ".join(f"http://{address.shown(*one.getsockname()[:2])}" for one in listening))
    server.run(listening)
    return 0 if server.started else 1


def _rereading(bridge: app.Bridge, argv: Sequence[str], what: Served) -> ASGIApp:
    """The application, which reads its engines from the configuration again at each SIGHUP."""
    tasks: set[asyncio.Task[None]] = set()

    def reread(loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(_reread(bridge, argv, what))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            loop = asyncio.get_running_loop()
            HANGUP.listen(lambda: loop.is_closed() or loop.call_soon_threadsafe(reread, loop))
        await bridge.app(scope, receive, send)

    return application


async def _reread(bridge: app.Bridge, argv: Sequence[str], what: Served) -> None:
    """A configuration that cannot be used changes nothing."""
    await bridge.started.wait()
    try:
        settings = load.load(argv, os.environ).settings
        engines = await choose.resolve(settings, os.environ)
        bridge.reconfigure(choose.members(settings, engines, what.model, what.precision))
    except (ConfigError, CatalogError) as error:
        log.error("the configuration is left as it was: %s", error)
    else:
        log.info("the configuration was read again; what is not pool or engine takes a restart")


def _raise_descriptor_limit() -> None:
    """A soft limit of 1,024, many systems' own, is below what Open WebUI opens for one document."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:  # macOS calls its hard limit infinite and refuses it as a soft one
        log.warning("the limit of open files stays as it is: %s", error)


def _uvicorn(application: ASGIApp, settings: Settings, room: Room) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=protocol(settings.limits.answer_timeout, room),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        limit_concurrency=settings.limits.connections,
        proxy_headers=False,  # nothing asks for a client's address or scheme; the middleware runs for every request
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )
