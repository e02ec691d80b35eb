"""Which engine a native stack uses: pure over what was found, and the look at what there is."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.native import client, parts
from deploy.ollama import locate
from deploy.ollama.address import address, from_environment
from deploy.places import Places
from deploy.plan import LOOPBACK, Engine
from deploy.settings import Settings
from modelfiles.model import Model

INSTALL_OLLAMA = "Install Ollama (https://ollama.com/download), or start the one that you have: `ollama serve`."
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SMALL = 100_000_000  # parameters that a CPU embeds with at once: the demo model has 24 million
TIMEOUT = 3.0  # seconds


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes:
        url: where an Ollama was looked for.
        version: what the Ollama there says it is, None where none answers.
        bridge: whether a bridge answers there, which is none, though it answers as one.
        named: what named the address: engine.url, OLLAMA_HOST, or "" for the stack's own.
        ours: whether that one is a part of this very stack.
        ollama, vllm: programs that are installed.
        gpu: what the GPU is called, None where there is none that an engine could use.
    """

    url: str
    version: str | None = None
    ours: bool = False
    ollama: Path | None = None
    vllm: Path | None = None
    gpu: str | None = None
    bridge: bool = False
    named: str = ""


@dataclass(frozen=True)
class Blocker:
    """Why no engine can be chosen, and what to do."""

    message: str
    advice: str


def choose(settings: Settings, model: Model, facts: Facts) -> Engine | Blocker:
    """The engine, with the reason for it."""
    match settings.engine.kind:
        case "embedded":
            return Engine("embedded", True, "as asked for: llama.cpp inside the bridge")
        case "vllm":
            return vllm(settings, facts)
        case "ollama":
            return bridge(settings, facts) or _ollama(settings, facts) or Blocker(_no_ollama(facts), INSTALL_OLLAMA)
        case "auto":
            return bridge(settings, facts) or _ollama(settings, facts) or _embedded(settings, model, facts)


def bridge(settings: Settings, facts: Facts) -> Blocker | None:
    """A bridge at an address named for an Ollama that is wanted; one that is there by chance is as no Ollama."""
    if not facts.bridge or not facts.named or settings.engine.kind not in ("auto", "ollama"):
        return None
    return Blocker(
        f"{facts.named} names {facts.url}, which is a bridge, not an Ollama.",
        f"Name the Ollama behind it in {facts.named}, or take it out.",
    )


def _ollama(settings: Settings, facts: Facts) -> Engine | None:
    if facts.version is not None and not facts.ours:
        return Engine("ollama", False, f"an Ollama {facts.version} runs at {facts.url}", facts.url, facts.ollama)
    # One that was named, and does not answer, is not replaced by another; the stack's own is no other.
    if (settings.engine.url is not None and not facts.ours) or facts.ollama is None:
        return None
    url = f"http://{LOOPBACK}:{settings.ports.ollama}"
    return Engine("ollama", True, f"Ollama is installed: {facts.ollama}", url, facts.ollama)


def _embedded(settings: Settings, model: Model, facts: Facts) -> Engine | Blocker:
    if settings.engine.url is not None and not facts.ours:
        return Blocker(_no_ollama(facts), "Start it, or take engine.url out of the settings.")
    small = (model.parameters or 0) < SMALL
    if facts.gpu and not small and not settings.engine.cpu:
        return Blocker(
            f"This machine has a GPU ({facts.gpu}) and no engine that would use it: {model.id} would run on the CPU.",
            f"{INSTALL_OLLAMA} To use the CPU all the same: --cpu.",
        )
    slow = "" if small else ", on the CPU: expect seconds for a page of text"
    return Engine("embedded", True, f"no Ollama is here; llama.cpp inside the bridge{slow}")


def vllm(settings: Settings, facts: Facts) -> Engine | Blocker:
    """A vLLM that could be started."""
    program = settings.vllm.program or facts.vllm
    if program is None:
        return Blocker(
            "vLLM is asked for, and there is no program `vllm` on PATH.",
            "Install vLLM 0.32 in an environment of its own, and name it: "
            "`embedstack config set vllm.program /path/to/bin/vllm`.",
        )
    if facts.gpu is None and not settings.engine.cpu:
        return Blocker(
            "vLLM is asked for, and no GPU was found that it could use.",
            "Repair the driver (`nvidia-smi` must list the GPU), or use the CPU all the same: --cpu.",
        )
    where = facts.gpu if facts.gpu and not settings.engine.cpu else "the CPU"
    url = f"http://{LOOPBACK}:{settings.ports.vllm}"
    return Engine("vllm", True, f"as asked for: vLLM on {where}", url, program)


def _no_ollama(facts: Facts) -> str:
    return f"No Ollama answers at {facts.url}, and none was found that could be started."


def look(settings: Settings, places: Places, environ: Mapping[str, str], *, gpu: str | None) -> Facts:
    """What there is on this machine. An address that engine.url or OLLAMA_HOST names is asked, else the stack's own."""
    url = address(settings.engine.url, environ, settings.ports.ollama)
    vllm = shutil.which("vllm")
    named = "engine.url" if settings.engine.url else "OLLAMA_HOST" if from_environment(environ) else ""
    found, is_bridge = _ask(url)
    program = Path(vllm) if vllm else None
    return Facts(url, found, _ours(places, url), locate.find(environ), program, gpu, is_bridge, named)


def _ours(places: Places, url: str) -> bool:
    own = next((part for part in client.status(places) or () if part.name == parts.OLLAMA), None)
    if own is None or own.pid is None or own.address is None:
        return False
    asked = urlsplit(url)
    return asked.hostname in LOCAL and asked.port == urlsplit(own.address).port


def version(url: str) -> str | None:
    """What the Ollama at `url` says it is; None where none answers."""
    return _ask(url)[0]


def _ask(url: str) -> tuple[str | None, bool]:
    """The version of the Ollama at `url`, None where none answers, and whether it is a bridge that does."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/version", timeout=TIMEOUT) as answer:
            found = str(json.load(answer)["version"])
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return None, False
    # The bridge answers as Ollama does, but for what only it has.
    return (None, True) if _answers(direct, f"{url}/healthz") else (found, False)


def _answers(direct: urllib.request.OpenerDirector, url: str) -> bool:
    try:
        with direct.open(url, timeout=TIMEOUT):
            return True
    except (urllib.error.URLError, OSError):
        return False
