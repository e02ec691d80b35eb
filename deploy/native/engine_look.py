"""What there is for a native stack to use: an Ollama that answers, programs that are installed. Nothing is decided."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.native import client, parts
from embedstack.deploy.ollama import locate
from embedstack.deploy.ollama.address import address, from_environment
from embedstack.deploy.places import Places
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.settings import Settings

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
TIMEOUT = 3.0  # seconds


def look(settings: Settings, places: Places, environ: Mapping[str, str], *, gpu: Gpu | None) -> Facts:
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
    )


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
    except urllib.error.HTTPError as refusal:
        refusal.close()  # an answer, too, with a connection that is open
        return None, False
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return None, False
    # The bridge answers as Ollama does, but for what only it has.
    return (None, True) if _answers(direct, f"{url}/healthz") else (found, False)


def _answers(direct: urllib.request.OpenerDirector, url: str) -> bool:
    try:
        with direct.open(url, timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False
    except (urllib.error.URLError, OSError):
        return False
