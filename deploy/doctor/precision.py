"""What makes an engine compute other vectors than its model's: a precision too narrow, a quantised key/value cache."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.machine import ports
from embedstack.deploy.plan.plan import Plan, local
from embedstack.deploy.sites.found import site

VARIABLES = ("OLLAMA_KV_CACHE_TYPE", "LLAMA_ARG_CACHE_TYPE_K", "LLAMA_ARG_CACHE_TYPE_V")
FLAGS = ("--cache-type-k", "-ctk", "--cache-type-v", "-ctv")
WIDE = ("", "f16", "bf16", "f32")
UNITS = "etc/systemd/system/ollama.service.d/*.conf"
_ASSIGNED = re.compile(r"\bOLLAMA_KV_CACHE_TYPE=[\"']?([A-Za-z0-9_]+)")


@dataclass(frozen=True)
class CacheType:
    """`value` as it was found, and where: a variable of whose environment, or a flag of which program."""

    where: str
    value: str


def check_model(plan: Plan) -> Iterator[Finding]:
    """A precision at which the model itself overflows, no matter who made the file."""
    model, precision = plan.model, plan.served.precision
    if why := model.unsound_as(precision):
        yield Finding(
            "PRECISION-UNSOUND",
            "blocker",
            f"{model.id} gives wrong vectors at {precision}",
            f"{model.id} at {precision}: {why}.",
            "The bridge refuses such an engine by its trap texts; without a bridge some texts have no vector.",
            f"{model.id}: {model.sound}.",
        )


def check_cache(found: Iterable[CacheType]) -> Iterator[Finding]:
    """A finding for each that is not a floating point of 16 bits or more."""
    for one in found:
        if one.value.lower() not in WIDE:
            yield Finding(
                "KV-CACHE-QUANTISED",
                "warning",
                "The engine keeps its key/value cache quantised",
                f"{one.where} says {one.value}.",
                "Every vector is another than the model's own. On a model of random weights q8_0 had a cosine of "
                "0.9995 to f16, q4_0 of 0.963; an index made before does not fit.",
                f"Leave it out, or set it to f16, and start the engine again ({_how(one.where)}).",
            )


def look(plan: Plan, machine: Machine) -> tuple[CacheType, ...]:
    """Where it can be read: what the stack's own Ollama would inherit, and what runs at the engine's address here."""
    engine = plan.engine
    found: list[CacheType] = []
    if engine.own_ollama and site(plan.mode).inherits:
        found += of_environment(machine.environ, "the environment that the stack's own Ollama is started in")
    if engine.url and local(engine.url) and (port := urlsplit(engine.url).port):
        holder = ports.holder(port)
        found += [] if holder is None else of_process(holder)
        if engine.found_ollama:
            found += of_units(Path("/"))
    return tuple(dict.fromkeys(found))


def of_process(process: psutil.Process) -> list[CacheType]:
    """The program that listens, and those that it has started: Ollama hands its type on to llama-server as a flag."""
    found: list[CacheType] = []
    with suppress(psutil.Error):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                name = f"{one.name()} (process {one.pid})"
                found += of_arguments(one.cmdline(), name)
                found += of_environment(one.environ(), f"the environment of {name}")
    return found


def of_environment(environ: Mapping[str, str], whose: str) -> list[CacheType]:
    return [CacheType(f"{name} in {whose}", environ[name]) for name in VARIABLES if environ.get(name)]


def of_arguments(argv: Sequence[str], whose: str) -> list[CacheType]:
    """`--cache-type-k q8_0` as well as `--cache-type-k=q8_0`."""
    pairs = [(flag, value) for flag, value in pairwise(argv) if flag in FLAGS]
    parted = [argument.partition("=") for argument in argv]
    joined = [(flag, value) for flag, equals, value in parted if flag in FLAGS and equals]
    return [CacheType(f"{flag} of {whose}", value) for flag, value in (*pairs, *joined)]


def of_units(root: Path) -> list[CacheType]:
    """systemd's drop-ins of Ollama: its environment is another user's, whose processes tell nobody."""
    found: list[CacheType] = []
    for file in sorted(root.glob(UNITS)):
        with suppress(OSError, UnicodeDecodeError):
            lines = [
                line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")
            ]
            found += [
                CacheType(f"OLLAMA_KV_CACHE_TYPE in {file}", value) for value in _ASSIGNED.findall("\n".join(lines))
            ]
    return found


def _how(where: str) -> str:
    if UNITS.rsplit("/", 1)[0] in where:
        return "`sudo systemctl edit ollama`, then `sudo systemctl restart ollama`"
    if where.startswith("OLLAMA_KV_CACHE_TYPE") and "stack's own" in where:
        return "`unset OLLAMA_KV_CACHE_TYPE`, then `embedstack restart`"
    return "by whatever starts it"
