"""The address that the bridge listens on, taken before anything else is begun: who has it, and which would do."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedstack.bridge.settings.structs import Listen
from embedstack.sentences import joined

FURTHER = 100  # ports after the wanted one are looked at
_WHY = {
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "it is no address of this machine",
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
        raise ListenError(_told(wanted, error)) from error
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


def _told(wanted: Listen, error: OSError) -> str:
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
