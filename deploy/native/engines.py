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

from deploy.errors import EngineNotUsable
from deploy.native import client, parts
from deploy.ollama import locate
from deploy.ollama.address import address
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
            return _vllm(settings, facts)
        case "ollama":
            return _ollama(settings, facts) or Blocker(_no_ollama(facts), INSTALL_OLLAMA)
        case "auto":
            return _ollama(settings, facts) or _embedded(settings, model, facts)


def _ollama(settings: Settings, facts: Facts) -> Engine | None:
    if facts.version is not None and not facts.ours:
        return Engine("ollama", False, f"an Ollama {facts.version} runs at {facts.url}", facts.url, facts.ollama)
    if settings.engine.url is not None or facts.ollama is None:
        return None  # one that was named, and does not answer, is not replaced by another
    url = f"http://{LOOPBACK}:{settings.ports.ollama}"
    return Engine("ollama", True, f"Ollama is installed: {facts.ollama}", url, facts.ollama)


def _embedded(settings: Settings, model: Model, facts: Facts) -> Engine | Blocker:
    if settings.engine.url is not None:
        return Blocker(_no_ollama(facts), "Start it, or take engine.url out of the settings.")
    small = (model.parameters or 0) < SMALL
    if facts.gpu and not small and not settings.engine.cpu:
        return Blocker(
            f"This machine has a GPU ({facts.gpu}) and no engine that would use it: {model.id} would run on the CPU.",
            f"{INSTALL_OLLAMA} To use the CPU all the same: --cpu.",
        )
    slow = "" if small else ", on the CPU: expect seconds for a page of text"
    return Engine("embedded", True, f"no Ollama is here; llama.cpp inside the bridge{slow}")


def _vllm(settings: Settings, facts: Facts) -> Engine | Blocker:
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
    return Facts(url, version(url), _ours(places, url), locate.find(environ), Path(vllm) if vllm else None, gpu)


def _ours(places: Places, url: str) -> bool:
    own = next((part for part in client.status(places) or () if part.name == parts.OLLAMA), None)
    if own is None or own.pid is None or own.address is None:
        return False
    asked = urlsplit(url)
    return asked.hostname in LOCAL and asked.port == urlsplit(own.address).port


def version(url: str) -> str | None:
    """What the Ollama at `url` says it is; None where none answers. EngineNotUsable where it is a bridge."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/api/version", timeout=TIMEOUT) as answer:
            found = str(json.load(answer)["version"])
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return None
    if _answers(direct, f"{url}/healthz"):  # the bridge answers as Ollama does, but for what only it has
        raise EngineNotUsable(
            f"At {url} is a bridge, not an Ollama.", "Name the Ollama behind it in engine.url or OLLAMA_HOST."
        )
    return found


def _answers(direct: urllib.request.OpenerDirector, url: str) -> bool:
    try:
        with direct.open(url, timeout=TIMEOUT):
            return True
    except (urllib.error.URLError, OSError):
        return False
