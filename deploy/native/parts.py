"""The processes of a planned stack. Pure.

What the parts of a native stack read besides their variables.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from embedstack.deploy.errors import FolderNotUsable, InvalidSettings
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.places import Places
from embedstack.deploy.plan import engines, environment, stores
from embedstack.deploy.plan.environment import BridgeSurroundings, WebuiSecrets
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.host import files, processes
from embedstack.host.addresses import LOOPBACK

OLLAMA, VLLM, BRIDGE, BRIDGE_BF16, WEBUI = "ollama", "vllm", "bridge", "bridge-bf16", "open-webui"
WEBUI_SECRETS = ("WEBUI_SECRET_KEY", "WEBUI_ADMIN_PASSWORD", "RAG_OLLAMA_API_KEY", *stores.SECRETS)


@dataclass(frozen=True)
class PartSurroundings:
    """What of this machine the parts depend on.

    Attributes:
        webui: the open-webui program, None where Open WebUI is not a part of the stack.
        gpu: whether vLLM shall use one.
        names: host names and addresses under which other machines reach this one.
        stamp: of what the bridge reads besides its variables, as `files.write` returns it.
        python: what runs the bridge.
    """

    webui: Path | None = None
    gpu: bool = False
    names: tuple[str, ...] = ()
    stamp: str = ""
    python: str = sys.executable


def specs(plan: Plan, secrets: WebuiSecrets, places: Places, here: PartSurroundings) -> tuple[PartSpec, ...]:
    """The parts in the order in which they start."""
    found: list[PartSpec] = []
    if plan.engine.own_ollama:
        found.append(_ollama(plan, places))
    if plan.on_vllm is not None:
        found.append(_vllm(plan, plan.on_vllm, places, here))
    found.append(_bridge(plan, _first(plan), places, here))
    if plan.beside is not None:
        found.append(_bridge(plan, _before_vllm(plan, plan.beside), places, here))
    if here.webui is not None:
        found.append(_webui(plan, secrets, places, here.webui))
    return tuple(found)


def bridge_config(plan: Plan, places: Places) -> Path:
    """The bridge's file: the person's, else an empty one of the stack, so that no other bridge's is found."""
    return plan.settings.bridge.config or places.run / "embed-bridge.yaml"


def key_file(places: Places) -> Path:
    """The bridge's key alone, 0600."""
    return places.run / "bridge.key"


def admin_key_file(places: Places) -> Path:
    """Its administrator's, 0600."""
    return places.run / "bridge-admin.key"


def webui_data(places: Places) -> Path:
    return places.data / WEBUI


def _ollama(plan: Plan, places: Places) -> PartSpec:
    # Its models stay where they are for this user (OLLAMA_MODELS, else ~/.ollama): what was pulled before is there, and
    # what the stack makes is there for `ollama list`.
    port = plan.settings.ports.ollama
    address = f"http://{LOOPBACK}:{port}"
    return PartSpec(
        OLLAMA,
        (str(plan.engine.program), "serve"),
        str(places.run),
        {"OLLAMA_HOST": f"{LOOPBACK}:{port}"},
        ready_url=f"{address}/api/version",
        address=address,
        ready_timeout=plan.settings.stack.wait,
    )


def _vllm(plan: Plan, served: PlannedModel, places: Places, here: PartSurroundings) -> PartSpec:
    wanted = plan.settings.vllm
    on_gpu = ("--dtype", "bfloat16", "--gpu-memory-utilization", str(engines.vllm_memory(plan)))
    program = plan.vllm or plan.engine.program
    argv = (str(program), "serve", str(served.folder), "--served-model-name", served.name, *_pooling(served))
    listen = ("--host", LOOPBACK, "--port", str(plan.settings.ports.vllm))
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    return PartSpec(
        VLLM,
        (*argv, *listen, *(on_gpu if here.gpu else ("--dtype", "float32", "--enforce-eager"))),
        str(places.run),
        quiet if here.gpu else {**quiet, "VLLM_CPU_KVCACHE_SPACE": str(wanted.cpu_kv_gib)},
        ready_url=f"{plan.vllm_url}/health",
        address=plan.vllm_url,
        ready_timeout=plan.settings.stack.wait,
        stop_timeout=30.0,
    )


def _pooling(served: PlannedModel) -> tuple[str, ...]:
    runner = ("--runner", "pooling", "--convert", "embed")
    return (*runner, "--max-model-len", str(served.num_ctx), "--hf-overrides", engines.overrides(served))


@dataclass(frozen=True)
class _Bridge:
    """One bridge of the stack, before its engine. `after`: the parts that it waits for."""

    name: str
    port: int
    served: PlannedModel
    engine: PlannedEngine
    after: tuple[str, ...]
    passthrough: str | None = None


def _first(plan: Plan) -> _Bridge:
    engine = plan.engine
    passthrough = plan.ollama_url if plan.settings.bridge.passthrough else None
    after = {"ollama": (OLLAMA,), "vllm": (VLLM,), "embedded": ()}[engine.kind] if engine.managed else ()
    return _Bridge(BRIDGE, plan.settings.ports.bridge, plan.served, engine, after, passthrough)


def _before_vllm(plan: Plan, beside: PlannedModel) -> _Bridge:
    engine = PlannedEngine(kind="vllm", managed=True, reason="beside Ollama", url=plan.vllm_url)
    return _Bridge(BRIDGE_BF16, plan.settings.ports.bridge_bf16, beside, engine, (VLLM,))


def _bridge(plan: Plan, bridge: _Bridge, places: Places, here: PartSurroundings) -> PartSpec:
    served = bridge.served
    around = BridgeSurroundings(
        listen=(plan.bridge_host, bridge.port),
        engine_url=bridge.engine.url,
        gguf=str(served.gguf) if served.gguf else None,
        cache=str(places.data / f"{bridge.name}-cache"),
        key_file=str(key_file(places)),
        admin_key_file=str(admin_key_file(places)),
        tokenizer=str(served.folder / "tokenizer.json") if served.folder else None,
        hosts=here.names if plan.keyed else (),
        passthrough=bridge.passthrough,
    )
    address, config = f"http://{LOOPBACK}:{bridge.port}", str(bridge_config(plan, places))
    return PartSpec(
        bridge.name,
        tuple(processes.command("-m", "embedstack.bridge", "--config", config, program=here.python)),
        str(places.run),
        environment.bridge(plan, served, bridge.engine, around),
        ready_url=f"{address}/readyz",
        address=address,
        ready_timeout=plan.settings.stack.wait,
        stop_timeout=20.0,  # requests in flight get ten of its own
        after=bridge.after,
        stamp=here.stamp,
    )


def _webui(plan: Plan, secrets: WebuiSecrets, places: Places, program: Path) -> PartSpec:
    data = webui_data(places)
    # The command line of the package from PyPI does not read HOST and PORT.
    listen = ("--host", plan.webui_host, "--port", str(plan.settings.ports.webui))
    # By its own Python: the program's first line names the folder that the environment was made in, which may be moved.
    python = program.with_name("python")
    return PartSpec(
        WEBUI,
        tuple(processes.command(str(program), "serve", *listen, program=python)),
        str(data),
        environment.webui(
            plan, secrets, data=str(data), bridge_url=plan.bridge_url, ollama_url=plan.ollama_url, store=plan.store
        ),
        ready_url=f"{plan.webui_url}/ready",
        address=plan.webui_url,
        ready_timeout=plan.settings.stack.wait,
        after=(BRIDGE,),
        secrets=WEBUI_SECRETS,
    )


def write_files(plan: Plan, secrets: WebuiSecrets, places: Places) -> str:
    """Write it, 0600, and return its stamp: another one when the bridge has to be restarted to read it again.

    FolderNotUsable, InvalidSettings where bridge.config cannot be read.
    """
    try:
        places.create()
        webui_data(places).mkdir(mode=0o700, exist_ok=True)
        files.write(key_file(places), secrets.bridge_key.encode() if plan.keyed else b"")
        files.write(admin_key_file(places), secrets.bridge_admin_key.encode())
        if plan.settings.bridge.config is None:
            files.write(bridge_config(plan, places), b"")
    except OSError as error:
        raise FolderNotUsable(
            f"{places.root} cannot be used: {error.strerror}.", "Set EMBEDSTACK_HOME to a folder that you may write to."
        ) from error
    return _stamp(plan, secrets, places)


def _stamp(plan: Plan, secrets: WebuiSecrets, places: Places) -> str:
    config = bridge_config(plan, places)
    try:
        read = config.read_bytes()
    except OSError as error:
        raise InvalidSettings(
            f"bridge.config is {config}, which cannot be read: {error.strerror}.", "Name a file that is there."
        ) from error
    key = secrets.bridge_key.encode() if plan.keyed else b""
    digest = hashlib.sha256(b"\0".join((read, key, secrets.bridge_admin_key.encode()))).hexdigest()
    return f"{metadata.version('embedstack')} {digest}"
