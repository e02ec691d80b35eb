"""From the settings and a look at this machine to a plan. Nothing is fetched and nothing is started for it.
`embedstack config compose` shows a plan as the one Compose file that comes of all layers.

What there is for a native stack to use: an Ollama that answers, programs that are installed. Nothing is decided.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from rich.text import Text

from embedstack import extras
from embedstack.contract.answers import is_bridge
from embedstack.deploy import config
from embedstack.deploy.console import Report
from embedstack.deploy.docker import daemon as daemons
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.runner import PlannedContainers
from embedstack.deploy.docker.variables import machine
from embedstack.deploy.docker.written import Hidden
from embedstack.deploy.errors import Blocked, InvalidModel, InvalidSettings
from embedstack.deploy.http import get_json
from embedstack.deploy.machine import gpu as gpus
from embedstack.deploy.machine.gpu import Gpu, Gpus
from embedstack.deploy.native import client, parts
from embedstack.deploy.ollama import locate
from embedstack.deploy.ollama.address import address, from_environment
from embedstack.deploy.places import Places, places
from embedstack.deploy.plan import decide
from embedstack.deploy.plan.decide import Chosen, fit
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel, name_in_engine
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.found import Before, look_before, site
from embedstack.deploy.stack import store_step
from embedstack.host.addresses import is_loopback

TIMEOUT = 3.0  # seconds


def look_at_engine(settings: Settings, places: Places, environ: Mapping[str, str], *, gpu: Gpu | None) -> Facts:
    """What there is on this machine. An address that engine.url or OLLAMA_HOST names is asked, else the stack's own."""
    url = address(settings.engine.url, environ, settings.ports.ollama)
    vllm = shutil.which("vllm")
    named = "engine.url" if settings.engine.url else "OLLAMA_HOST" if from_environment(environ) else ""
    found, is_bridge = _ask(url)
    program = Path(vllm) if vllm else None
    return Facts(
        url,
        found,
        ours=_ours(places, url),
        ollama=locate.find(environ),
        vllm=program,
        gpu=gpu.name if gpu else None,
        metal=gpu is not None and gpu.kind == "apple",
        bridge=is_bridge,
        named=named,
        lacking=extras.missing("embedded"),
    )


def _ours(places: Places, url: str) -> bool:
    own = next((part for part in client.status(places) or () if part.name == parts.OLLAMA), None)
    if own is None or own.pid is None or own.address is None:
        return False
    asked = urlsplit(url)
    return is_loopback(asked.hostname or "") and asked.port == urlsplit(own.address).port


def version(url: str) -> str | None:
    """What the Ollama at `url` says it is; None where none answers."""
    return _ask(url)[0]


def _ask(url: str) -> tuple[str | None, bool]:
    """The version of the Ollama at `url`, None where none answers, and whether it is a bridge that does."""
    answer = get_json(f"{url}/api/version", TIMEOUT)
    if not isinstance(answer, dict) or "version" not in answer:
        return None, False
    return (None, True) if is_bridge(answer) else (str(answer["version"]), False)


BF16 = "bf16"


@dataclass(frozen=True)
class Looked:
    """What was seen of this machine."""

    daemon: Daemon | None
    gpus: Gpus
    facts: Facts
    before: Before


def look(settings: Settings, places: Places, report: Report) -> Looked:
    """Ask Docker only where it may be wanted."""
    there = look_before(places, report)
    found = gpus.look()
    facts = look_at_engine(settings, places, os.environ, gpu=found.largest)
    if there.has("ollama", facts.url):  # a container of this stack; one that is a process has been found already
        facts = replace(facts, ours=True)
    daemon = None if settings.stack.mode == "native" else daemons.look()
    return Looked(daemon, found, facts, there)


def make(settings: Settings, looked: Looked, say: Callable[[str], None]) -> Plan:
    """The plan, its files not yet fetched. Blocked where no engine is available, InvalidModel, InvalidSettings."""
    chosen = decide.model(settings)
    runs = looked.facts.url if looked.facts.version and not looked.facts.ours else None
    unusable = looked.daemon.unusable if looked.daemon else "native is asked for"
    up = looked.before.up
    mode, reason = decide.mode(settings, docker=unusable, ollama=runs, up=up.mode if up else None)
    if up and up.mode != mode:
        raise Blocked(
            f"The stack {up.stack!r} runs, as {up.mode}; what is asked for is {mode}.",
            "Stop it first: `embedstack down`. Its data stay. Or give the other one a name: `--stack NAME`.",
        )
    place = site(mode)
    engine = place.engine(settings, chosen.model, looked.facts)
    config.check(settings.bridge.config, engine)
    served = _served(settings, chosen, engine, looked.gpus, say)
    check_dimensions(settings, served)
    beside = _beside(chosen, served) if settings.vllm.beside else None
    if beside is not None:
        place.ensure_vllm(settings, looked.facts)
    if settings.bridge.passthrough and engine.kind != "ollama":
        say(f"bridge.passthrough has no effect: the engine is {engine.kind}, which does not chat")
    made = Plan(settings, mode, reason, engine, served, beside, settings.vllm.program or looked.facts.vllm)
    return replace(made, store=store_step.store_server(settings, place, made.dimensions))


def _served(
    settings: Settings, chosen: Chosen, engine: PlannedEngine, seen: Gpus, say: Callable[[str], None]
) -> PlannedModel:
    if engine.kind == "vllm":
        return _on_vllm(chosen, chosen.model.id, settings.model.num_ctx)
    name = chosen.model.id if engine.kind == "embedded" else name_in_engine(chosen.model, chosen.file)
    num_ctx = _context(settings, chosen, engine, seen, say)
    return PlannedModel(chosen.model, name, chosen.file.quantisation, num_ctx, chosen.file.sha256)


def check_dimensions(settings: Settings, served: PlannedModel) -> None:
    """InvalidSettings for a size that the model cannot give."""
    model, asked = served.model, settings.model.dimensions
    if asked is not None and not model.min_dimensions <= asked <= model.dimensions:
        raise InvalidSettings(
            f"model.dimensions is {asked}, and {model.id} can give {model.min_dimensions} to {model.dimensions}.",
            f"Take one of these; leave it out for {model.dimensions}.",
        )


def _beside(chosen: Chosen, served: PlannedModel) -> PlannedModel:
    beside = _on_vllm(chosen, f"{chosen.model.id}-{BF16}", served.num_ctx)
    if beside.precision == served.precision:
        raise InvalidSettings(
            f"vllm.beside serves {chosen.model.id} at {beside.precision}, and so does Ollama.",
            "Take another model.quantisation, or leave vllm.beside out.",
        )
    return beside


def _on_vllm(chosen: Chosen, name: str, num_ctx: int | None) -> PlannedModel:
    weights = chosen.model.safetensors
    if weights is None and chosen.model.id != "demo":
        raise InvalidModel(
            f"The catalogue names no safetensors of {chosen.model.id} for vLLM.", "Take --engine ollama."
        )
    precision = weights.precision if weights else chosen.file.quantisation
    return PlannedModel(chosen.model, name, precision, num_ctx or chosen.model.context.recommended)


def _context(settings: Settings, chosen: Chosen, engine: PlannedEngine, seen: Gpus, say: Callable[[str], None]) -> int:
    """As set; else the catalogue's, or the next smaller one that fits the GPU."""
    wanted = settings.model.num_ctx or chosen.model.context.recommended
    if wanted > chosen.model.context.trained:
        raise InvalidSettings(
            f"model.num_ctx is {wanted}, and {chosen.model.id} was trained for {chosen.model.context.trained}.",
            f"Take {chosen.model.context.recommended}.",
        )
    gpu = seen.largest  # not the one with most room now: the context must not change from one `up` to the next
    if settings.model.num_ctx or gpu is None or settings.engine.cpu or engine.kind != "ollama" or engine.elsewhere:
        return wanted
    found = fit(chosen.model, chosen.file, gpu.total, wanted, flash_attention=True)
    if found.fits and found.quantisation == chosen.file.quantisation and found.num_ctx < wanted:
        say(f"num_ctx {found.num_ctx} in place of {wanted}: more does not fit {gpu.name}")
        return found.num_ctx
    return wanted


@dataclass(frozen=True)
class ConfigCompose:
    """The file, as YAML. In place of every secret it says that there is one."""

    stack: str
    compose: str
    verbatim: ClassVar = True

    def __rich__(self) -> Text:
        return Text(self.compose.rstrip(), no_wrap=True, overflow="ignore")


def compose(settings: Settings, report: Report) -> ConfigCompose:
    """The same from the settings alone: files that are not fetched yet stand in it by their names."""
    where = places(settings.stack.name)
    looked = look(settings, where, report)
    return config_compose(make(settings, looked, report.warn), where, looked.daemon or daemons.look(), report)


def config_compose(plan: Plan, places: Places, daemon: Daemon, report: Report) -> ConfigCompose:
    """What `up --mode docker` would have Compose run. Needs the Compose plugin, and no daemon. CommandFailed."""
    name = plan.settings.stack.name
    containers = PlannedContainers(name, report, plan, Hidden(), places, daemon.gpu, machine(daemon.groups))
    return ConfigCompose(name, containers.config())
