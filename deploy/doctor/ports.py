"""Whose process has a port that the stack wants."""

import errno
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import psutil

from deploy import ports
from deploy.doctor import http
from deploy.doctor.finding import Finding
from deploy.doctor.intent import Intent
from deploy.plan import Mode

OLLAMA = "ollama"


@dataclass(frozen=True)
class Held:
    """A port that cannot be listened on.

    Attributes:
        setting: which setting names the port.
        pids: of the process that has it and of those that started it, the nearest first; empty where nobody tells.
        program: what runs there, "" where nobody tells.
        ollama: its version, where an Ollama answers on the port meant for one.
        refused: what the system says, where nobody has the port and it cannot be used all the same.
    """

    part: str
    setting: str
    port: int
    pids: tuple[int, ...] = ()
    program: str = ""
    ollama: str | None = None
    refused: str = ""


def check(
    held: Held, own_pids: Collection[int] = (), own_ports: Collection[int] = (), mode: Mode = "native"
) -> Iterator[Finding]:
    """`own_pids`, `own_ports`: of the stack itself, if it runs; in containers the daemon has the port for it."""
    if held.port in own_ports or not set(held.pids).isdisjoint(own_pids):
        return
    if held.refused:
        yield Finding(
            "PORT-REFUSED",
            "blocker",
            f"The port for {held.part} cannot be used",
            f"Port {held.port}: {held.refused}.",
            f"{held.part} cannot be started.",
            f"Choose one from 1024 on: `--set {held.setting}=PORT`.",
        )
    elif held.ollama is not None:
        yield _offer(held, mode)
    else:
        yield _taken(held)


def _offer(held: Held, mode: Mode) -> Finding:
    url, other = f"http://{ports.HOST}:{held.port}", f"`--set {held.setting}=PORT`"
    native = (
        f"To use it: unset OLLAMA_HOST, or let it or engine.url name it (`--set engine.url={url}`); the stack then "
        f"leaves it alone when it goes down. Or {other} starts another."
    )
    docker = f"{other} starts another in a container; this one, on {ports.HOST}, cannot be reached from containers."
    return Finding(
        "PORT-OLLAMA",
        "blocker",
        "An Ollama runs here already",
        f"Ollama {held.ollama} answers on port {held.port}.",
        f"{held.part} cannot be started on that port.",
        native if mode == "native" else docker,
    )


def _taken(held: Held) -> Finding:
    who = held.program or "a process that only its own user may see"
    which = f" (process {held.pids[0]})" if held.pids else ""
    stop = f"Stop it (`kill {held.pids[0]}`)" if held.pids else f"`sudo ss -ltnp 'sport = :{held.port}'` tells whose"
    return Finding(
        "PORT-TAKEN",
        "blocker",
        f"The port for {held.part} is taken",
        f"Port {held.port} is held by {who}{which}.",
        f"{held.part} cannot be started.",
        f"{stop}, or choose another port: `--set {held.setting}=PORT`.",
    )


def wanted(intent: Intent) -> Iterator[tuple[str, str, int]]:
    """Part, setting and port of all that the stack will listen on."""
    settings, given = intent.settings, intent.settings.ports
    yield "bridge", "ports.bridge", given.bridge
    if intent.engine.kind == "ollama" and intent.engine.managed:
        yield OLLAMA, "ports.ollama", given.ollama
    if intent.engine.kind == "vllm" or settings.vllm.beside:
        yield "vllm", "ports.vllm", given.vllm
    if settings.vllm.beside:
        yield "bridge-bf16", "ports.bridge_bf16", given.bridge_bf16
    if settings.webui.enabled:
        yield "open-webui", "ports.webui", given.webui


def look(part: str, setting: str, port: int) -> Held | None:
    """Who has the port; None where it is free."""
    try:
        socket.create_server((ports.HOST, port)).close()
        return None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Held(part, setting, port, refused=error.strerror or str(error))
    process = ports.holder(port)
    # Asked only where it would be of use: whoever has another port may keep a request waiting.
    ollama = _ollama(http.get(f"http://{ports.HOST}:{port}/api/version")) if part == OLLAMA else None
    return Held(part, setting, port, _lineage(process), _program(process), ollama)


def _ollama(told: object) -> str | None:
    """The version, where it is an Ollama that tells it: a bridge tells its own as well."""
    if not isinstance(told, dict) or "bridge" in told:
        return None
    version = told.get("version")
    return version if isinstance(version, str) else None


def _lineage(process: psutil.Process | None) -> tuple[int, ...]:
    try:
        return () if process is None else (process.pid, *(parent.pid for parent in process.parents()))
    except psutil.Error:
        return ()


def _program(process: psutil.Process | None) -> str:
    try:
        return "" if process is None else ports.program(process.cmdline()) or process.name()
    except psutil.Error:
        return ""
