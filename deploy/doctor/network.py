"""Proxies that catch what is meant for this machine, and an Ollama that containers cannot reach.

How many files and connections a process may have open. Pure but for `look`.
"""

import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.plan.plan import Plan, local
from embedstack.deploy.sites.found import site
from embedstack.host.addresses import LOOPBACK, is_loopback

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
UNPROXIED = ("localhost", LOOPBACK)


def check_proxy(environ: Mapping[str, str]) -> Iterator[Finding]:
    """A proxy for plain HTTP knows no way back to this machine's loopback."""
    if not (named := [name for name in PROXIES if environ.get(name)]):
        return
    entries = [entry.strip() for entry in _no_proxy(environ).split(",")]
    missing = [name for name in UNPROXIED if name not in entries]
    if not missing or "*" in entries:
        return
    yield Finding(
        "PROXY-LOOPBACK",
        "warning",
        "A proxy catches what is meant for this machine",
        f"{named[0]} is set, and NO_PROXY does not name {' and '.join(missing)}.",
        "Parts of the stack reach each other all the same; your own clients (curl, the SDKs) ask the proxy for the "
        "bridge, and get an error of the proxy's.",
        "`export NO_PROXY=localhost,127.0.0.1,::1` where you start them.",
    )


def check_reach(plan: Plan, addresses: Sequence[str], daemon: Daemon | None) -> Iterator[Finding]:
    """`addresses`: on which that Ollama listens here; empty where nobody tells."""
    url = plan.engine.url
    if site(plan.mode).shares_network or not plan.engine.found_ollama or url is None:
        return
    if daemon is not None and "Docker Desktop" in daemon.os:
        return  # hands host.docker.internal on to the loopback of its host
    if local(url) and addresses and all(is_loopback(address) for address in addresses):
        yield Finding(
            "OLLAMA-LOOPBACK",
            "blocker",
            "Containers cannot reach the Ollama of this machine",
            f"It listens on {', '.join(sorted(set(addresses)))} alone, port {port(url)}.",
            "To a container that address is the container itself.",
            "Start it with OLLAMA_HOST=0.0.0.0 (systemd: `sudo systemctl edit ollama`) behind a firewall, or take "
            "`--mode native`, or let the stack run its own: `--set engine.url=null --set ports.ollama=PORT`.",
        )


def port(url: str) -> int:
    """Of an Ollama's address."""
    return urlsplit(url).port or 11434


def listening(port: int) -> tuple[str, ...]:
    """Addresses on which something listens there; empty where this user may not know."""
    try:
        found = psutil.net_connections("tcp")
    except psutil.Error:
        return ()
    return tuple(c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port)


def _no_proxy(environ: Mapping[str, str]) -> str:
    return environ.get("no_proxy") or environ.get("NO_PROXY") or ""


LEAST = 4096  # Open WebUI opens one connection a text, thousands for one document


@dataclass(frozen=True)
class Descriptors:
    """The bridge raises its own soft limit up to the hard one."""

    soft: int
    hard: int


def look() -> Descriptors:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Descriptors(_number(soft), _number(hard))


def check_limits(limits: Descriptors) -> Iterator[Finding]:
    if limits.hard < LEAST:
        yield Finding(
            "DESCRIPTORS-LOW",
            "warning",
            "Few files may be open at once",
            f"The hard limit is {limits.hard} (soft {limits.soft}); {LEAST} is what a large document wants.",
            "Open WebUI opens a connection for each text of a document; those above the limit are refused, and it "
            "never tries again.",
            "Raise `nofile` in /etc/security/limits.conf and sign in again (systemd: LimitNOFILE=65536).",
        )


def _number(limit: int) -> int:
    return 2**31 if limit == resource.RLIM_INFINITY else limit
