"""Whose process has a port that the stack wants."""

import errno
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import psutil

from embedstack.contract.answers import is_bridge
from embedstack.deploy.config import SCHEMA
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.doctor.neighbours import Neighbour, Owner, whose
from embedstack.deploy.http import get_json
from embedstack.deploy.machine import ports
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.sites.site import Site
from embedstack.host.addresses import LOOPBACK

TIMEOUT = 3.0  # seconds


OLLAMA = "ollama"
LAST = 65535


@dataclass(frozen=True)
class Held:
    """A port that cannot be listened on.

    Attributes:
        setting: which setting names the port.
        pids: of the process that has it and of those that started it, the nearest first; empty where nobody tells.
        program: what runs there, "" where nobody tells.
        ollama: its version, where an Ollama answers on the port meant for one.
        refused: what the system says, where nobody has the port and it cannot be used all the same.
        owner: which of the other stacks has it, None where none does.
        free: `--set` and a port that nobody has, for this part and for all others whose port is taken.
    """

    part: str
    setting: str
    port: int
    pids: tuple[int, ...] = ()
    program: str = ""
    ollama: str | None = None
    refused: str = ""
    owner: Owner | None = None
    free: str = "--set KEY=PORT"


def check(
    held: Held, place: Site, own_pids: Collection[int] = (), own_ports: Collection[int] = ()
) -> Iterator[Finding]:
    """`own_pids`, `own_ports`: of the stack itself, if it runs; in containers the daemon has the port for it."""
    if own(held, own_pids, own_ports):
        return
    if held.refused:
        yield Finding(
            "PORT-REFUSED",
            "blocker",
            f"The port for {held.part} cannot be used",
            f"Port {held.port}: {held.refused}.",
            f"{held.part} cannot be started.",
            f"Choose another, from 1024 on: `embedstack up {held.free}`.",
        )
    elif held.ollama is not None:
        yield _offer(held, place)
    else:
        yield _taken(held)


def own(held: Held, own_pids: Collection[int], own_ports: Collection[int]) -> bool:
    return held.port in own_ports or not set(held.pids).isdisjoint(own_pids)


def _offer(held: Held, place: Site) -> Finding:
    return Finding(
        "PORT-OLLAMA",
        "blocker",
        "An Ollama runs here already",
        f"Ollama {held.ollama} answers on port {held.port}.",
        f"{held.part} cannot be started on that port.",
        place.use_ollama(f"http://{LOOPBACK}:{held.port}", f"`embedstack up {held.free}`"),
    )


def _taken(held: Held) -> Finding:
    who = held.program or "a process that only its own user may see"
    which = f" (process {held.pids[0]})" if held.pids else ""
    of = f"{held.owner}: " if held.owner else ""
    return Finding(
        "PORT-TAKEN",
        "blocker",
        f"The port for {held.part} is taken",
        f"Port {held.port} is held by {of}{who}{which}.",
        f"{held.part} cannot be started.",
        _elsewhere(held),
    )


def _elsewhere(held: Held) -> str:
    """Another stack is never killed part by part: its supervisor would start the part again."""
    if held.owner:
        ours = f"Give this stack ports of its own, which it keeps: `embedstack up {held.free}`"
        return f"{ours}; or stop the other: {held.owner.stop}."
    stop = f"Stop it (`kill {held.pids[0]}`)" if held.pids else f"`sudo ss -ltnp 'sport = :{held.port}'` tells whose"
    return f"{stop}, or choose another port, which the stack keeps: `embedstack up {held.free}`."


def with_free(held: Sequence[Held], plan: Plan, neighbours: Sequence[Neighbour]) -> list[Held]:
    """Each with ports that would do, for all of them in one command: none that another part or stack is to have."""
    spoken = {port for _, _, port in wanted(plan)} | {port for one in neighbours for port in one.ports}
    spoken |= set(msgspec.structs.asdict(plan.settings.ports).values())
    words = []
    for one in held:
        begin = one.port + 1 if one.port >= 1024 else SCHEMA.table[one.setting].default
        port = next(port for port in range(begin, LAST + 1) if port not in spoken and ports.is_free(port))
        spoken.add(port)
        words.append(f"--set {one.setting}={port}")
    return [replace(one, free=" ".join(words)) for one in held]


def wanted(plan: Plan) -> Iterator[tuple[str, str, int]]:
    """Part, setting and port of all that the stack will listen on."""
    settings, given = plan.settings, plan.settings.ports
    yield "bridge", "ports.bridge", given.bridge
    if plan.engine.own_ollama:
        yield OLLAMA, "ports.ollama", given.ollama
    if plan.engine.kind == "vllm" or settings.vllm.beside:
        yield "vllm", "ports.vllm", given.vllm
    if settings.vllm.beside:
        yield "bridge-bf16", "ports.bridge_bf16", given.bridge_bf16
    if settings.webui.enabled:
        yield "open-webui", "ports.webui", given.webui


def look(part: str, setting: str, port: int, neighbours: Sequence[Neighbour] = ()) -> Held | None:
    """Who has the port; None where it is free."""
    try:
        socket.create_server((LOOPBACK, port)).close()
        return None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return Held(part, setting, port, refused=error.strerror or str(error))
    process = ports.holder(port)
    # Asked only where it would be of use: anyone who has another port may keep a request waiting.
    ollama = _ollama(get_json(f"http://{LOOPBACK}:{port}/api/version", TIMEOUT)) if part == OLLAMA else None
    pids, program = _lineage(process), _program(process)
    return Held(part, setting, port, pids, program, ollama, owner=whose(pids, program, port, neighbours))


def _ollama(answer: object) -> str | None:
    """The version, where it is an Ollama that tells it: a bridge tells its own as well."""
    if not isinstance(answer, dict) or is_bridge(answer):
        return None
    version = answer.get("version")
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
