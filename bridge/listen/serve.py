"""What `embed-bridge` does: read the configuration, choose the engine, serve.

The address that the bridge listens on, taken before anything else is begun: who has it, and which would do.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from embedstack import __version__
from embedstack.bridge import app
from embedstack.bridge.engines import choose
from embedstack.bridge.listen import signals
from embedstack.bridge.listen.listener import Room, Server, connections
from embedstack.bridge.listen.protocol import protocol
from embedstack.bridge.observe.logs import configure
from embedstack.bridge.settings import load
from embedstack.bridge.settings.load import ConfigError, Loaded
from embedstack.bridge.settings.served import Served, served
from embedstack.bridge.settings.structs import Listen, Settings
from embedstack.models.catalog import CatalogError
from embedstack.words import joined, sentence

FURTHER = 100  # ports after the wanted one are looked at
_WHY = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "it is not an address of this machine",
    errno.EACCES: "ports below {least} are the system administrator's",
}
_PRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


class ListenError(OSError):
    """Nobody can listen there; what happened, why, and what to do."""


def sockets(wanted: Listen, backlog: int) -> list[socket.socket]:
    """One for each address of the host, listening. ListenError; none is left open then."""
    opened: list[socket.socket] = []
    try:
        for family, address in _addresses(wanted.host, wanted.port):
            if wanted.port == 0 and opened:  # every address of a name has the port that the first was given
                address = (address[0], opened[0].getsockname()[1], *address[2:])
            opened.append(_listening(family, address, backlog))
    except OSError as error:
        for one in opened:
            one.close()
        raise ListenError(_explained(wanted, error)) from error
    return opened


def _addresses(host: str, port: int) -> Iterator[tuple[int, Any]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    yield from dict.fromkeys((family, address) for family, _, _, _, address in found)


def _listening(family: int, address: Any, backlog: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        one.bind(address)
        one.listen(backlog)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _explained(wanted: Listen, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        why, advice = f"nobody knows that name ({error.strerror})", "Name an address of this machine: 127.0.0.1"
    else:
        why = _WHY.get(error.errno or 0, error.strerror or str(error)).format(least=_least())
        advice = _advice(wanted, error)
    return joined(f"The bridge cannot listen on {shown(wanted.host, wanted.port)}: {why}", advice)


def _advice(wanted: Listen, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        this, every = shown("127.0.0.1", wanted.port), shown("0.0.0.0", wanted.port)  # noqa: S104 -- advised, not bound
        return f"Name one that is: `--listen {this}` for this machine alone, `--listen {every}` for all"
    begin = max(wanted.port + 1, _least())
    free = next((port for port in range(begin, min(begin + FURTHER, 65536)) if _free(wanted.host, port)), None)
    other = f"listen elsewhere: `--listen {shown(wanted.host, free)}`" if free else "choose another port with --listen"
    if error.errno == errno.EADDRINUSE:
        return f"End that program (`ss -ltnp 'sport = :{wanted.port}'` tells which), or {other}"
    return f"{other[0].upper()}{other[1:]}"


def _free(host: str, port: int) -> bool:
    try:
        for one in [_listening(family, address, 1) for family, address in _addresses(host, port)]:
            one.close()
    except OSError:
        return False
    return True


def shown(host: str, port: int) -> str:
    """As it is typed: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _least() -> int:
    """The lowest port that every user may have."""
    if os.geteuid() == 0:
        return 1
    try:
        return int(_PRIVILEGED.read_text())
    except (OSError, ValueError):
        return 1024


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
    listening = sockets(settings.listen, BACKLOG)
    log.info("listening on %s", ", ".join(f"http://{shown(*one.getsockname()[:2])}" for one in listening))
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
            signals.HANGUP.listen(lambda: loop.is_closed() or loop.call_soon_threadsafe(reread, loop))
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
        loop="auto",  # uvloop where there is one: Windows has none
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
