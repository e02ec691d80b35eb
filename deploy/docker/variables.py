"""What the Compose files and the containers are given: pure, from a plan to variables.

What the containers have to know of this machine.
"""

from __future__ import annotations

import hashlib
import resource
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil

from embedstack.contract import PORT
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.plan import engines, environment
from embedstack.deploy.plan.environment import BridgeSurroundings, WebuiSecrets
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.plan.stores import StoreServer
from embedstack.host.addresses import FROM_CONTAINERS, is_here

BRIDGE = f"http://bridge:{PORT}"  # as the other containers reach it
CACHE = "/var/cache/embed-bridge"
GIVEN = "/etc/embedstack"
KEY_FILE = f"{GIVEN}/bridge.key"
ADMIN_KEY_FILE = f"{GIVEN}/bridge-admin.key"
WEBUI_DATA = "/app/backend/data"


@dataclass(frozen=True)
class ContainerHost:
    """What of this machine the containers have to know.

    Attributes:
        names: host names and addresses under which others reach it.
        groups: numbers of the groups that own an AMD GPU's devices: video, render.
        descriptors: how many open files a container may have.
    """

    names: tuple[str, ...] = ()
    groups: tuple[int, int] | None = None
    descriptors: int = 65536


def compose(plan: Plan, run: Path, machine: ContainerHost) -> dict[str, str]:
    """Variables of the Compose files. `run` is the folder with the environment of the services. No secret is in it."""
    ports, images = plan.settings.ports, plan.settings.images
    video, render = machine.groups or (None, None)
    wanted: dict[str, object | None] = {
        "RUN": run,
        "KEEP_ALIVE": plan.settings.model.keep_alive,
        "HOST_BRIDGE": plan.bridge_host,
        "HOST_WEBUI": plan.webui_host,
        "PORT_BRIDGE": ports.bridge,
        "PORT_BRIDGE_BF16": ports.bridge_bf16,
        "PORT_OLLAMA": ports.ollama,
        "PORT_VLLM": ports.vllm,
        "PORT_WEBUI": ports.webui,
        "IMAGE_BRIDGE": images.bridge,
        "IMAGE_OLLAMA": images.ollama,
        "IMAGE_OLLAMA_ROCM": images.ollama_rocm,
        "IMAGE_PGVECTOR": images.pgvector,
        "IMAGE_QDRANT": images.qdrant,
        "IMAGE_VLLM": images.vllm,
        "IMAGE_WEAVIATE": images.weaviate,
        "IMAGE_WEBUI": images.webui,
        "MODEL_FILE": plan.served.gguf.resolve() if plan.served.gguf else None,
        "DESCRIPTORS": machine.descriptors,
        "GROUP_VIDEO": video,
        "GROUP_RENDER": render,
        **_vllm(plan),
    }
    return {f"EMBEDSTACK_{name}": str(value) for name, value in wanted.items() if value is not None}


def bridge(plan: Plan, machine: ContainerHost) -> dict[str, str]:
    """The environment of the bridge."""
    return _bridge(plan, plan.served, plan.engine, machine, passthrough=_passthrough(plan))


def bridge_bf16(plan: Plan, beside: PlannedModel, machine: ContainerHost) -> dict[str, str]:
    """The environment of the bridge before vLLM, where that stands beside Ollama."""
    engine = PlannedEngine(kind="vllm", managed=True, reason="beside Ollama")
    return _bridge(plan, beside, engine, machine, passthrough=None)


def webui(plan: Plan, secrets: WebuiSecrets) -> dict[str, str]:
    """The environment of Open WebUI: secret."""
    return environment.webui(
        plan,
        secrets,
        data=WEBUI_DATA,
        bridge_url=BRIDGE,
        ollama_url=_ollama_url(plan),
        store=_store(plan, secrets),
    )


def pgvector(secrets: WebuiSecrets) -> dict[str, str]:
    """The environment of PostgreSQL: secret."""
    return {"POSTGRES_USER": "openwebui", "POSTGRES_DB": "openwebui", "POSTGRES_PASSWORD": _password(secrets)}


def model_folder(folder: Path) -> tuple[Path, str]:
    """What to mount for a Hugging Face folder, and where the model is in it.

    A snapshot in the Hub's cache is links into ../../blobs: all of the repository's folder has to be there.
    """
    if folder.parent.name == "snapshots":
        return folder.parents[1], f"/models/snapshots/{folder.name}"
    return folder, "/models"


def dotenv(variables: dict[str, str]) -> str:
    """Lines that Compose reads back literally. InvalidSettings for a value that no quoting keeps as it is."""
    for name, value in variables.items():
        if "'" in value or "\n" in value:
            raise InvalidSettings(
                f"{name} has an apostrophe or a line break, which Compose cannot read.", "Change or rename it."
            )
    return "".join(f"{name}='{value}'\n" for name, value in sorted(variables.items()))


def _bridge(
    plan: Plan, served: PlannedModel, engine: PlannedEngine, machine: ContainerHost, *, passthrough: str | None
) -> dict[str, str]:
    url = "http://vllm:8000" if engine.kind == "vllm" else _ollama_url(plan)
    around = BridgeSurroundings(
        listen=("0.0.0.0", PORT),  # noqa: S104 -- inside the container; what is published is another setting
        engine_url=url,
        gguf="/models/model.gguf",
        cache=CACHE,
        key_file=KEY_FILE,
        admin_key_file=ADMIN_KEY_FILE,
        tokenizer=_tokenizer(served),
        hosts=("bridge", "bridge-bf16", FROM_CONTAINERS, *(machine.names if plan.keyed else ())),
        passthrough=passthrough,
    )
    catalog = {"EMBED_BRIDGE_MODEL_CATALOG": f"{GIVEN}/catalog.yaml"} if plan.settings.model.catalog else {}
    return {**environment.bridge(plan, served, engine, around), **catalog}


def _tokenizer(served: PlannedModel) -> str | None:
    return f"{model_folder(served.folder)[1]}/tokenizer.json" if served.folder else None


def _passthrough(plan: Plan) -> str | None:
    return _ollama_url(plan) if plan.settings.bridge.passthrough else None


def _ollama_url(plan: Plan) -> str | None:
    """Ollama as a container sees it; None where the stack has none."""
    if plan.engine.kind != "ollama":
        return None
    if plan.engine.managed or plan.engine.url is None:
        return "http://ollama:11434"
    return _from_inside(plan.engine.url)


def _from_inside(url: str) -> str:
    """An address as a container reaches it: this machine's loopback has another name in there."""
    parts = urlsplit(url)
    if not is_here(parts.hostname or ""):
        return url
    user, at, _ = parts.netloc.rpartition("@")
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{user}{at}{FROM_CONTAINERS}{port}"))


def _vllm(plan: Plan) -> dict[str, object | None]:
    served = plan.on_vllm
    if served is None or served.folder is None:
        return {}
    mount, inside = model_folder(served.folder)
    return {
        "MODEL_FOLDER": mount,
        "MODEL_PATH": inside,
        "VLLM_MODEL": served.name,
        "VLLM_CONTEXT": served.num_ctx,
        "VLLM_MEMORY": engines.vllm_memory(plan),
        "VLLM_OVERRIDES": engines.overrides(served),
    }


def _store(plan: Plan, secrets: WebuiSecrets) -> StoreServer | None:
    """The server of vectors as Open WebUI's container reaches it."""
    if plan.store is not None:
        return replace(plan.store, url=_from_inside(plan.store.url))
    match plan.own_store:
        case "pgvector":
            return StoreServer("postgresql://openwebui@pgvector:5432/openwebui", _password(secrets))
        case "weaviate":
            return StoreServer("http://weaviate:8080")
        case "qdrant":
            return StoreServer("http://qdrant:6333")
        case _:
            return None


def _password(secrets: WebuiSecrets) -> str:
    # Made from the stack's key and kept nowhere else: the same at every start, another one in every stack.
    return hashlib.sha256(f"pgvector {secrets.webui_secret_key}".encode()).hexdigest()[:32]


DESCRIPTORS = 65536
"""Enough for the thousands of connections that Open WebUI opens for one document, in each part."""


def machine(groups: tuple[int, int] | None) -> ContainerHost:
    """`groups` as the daemon's facts have them."""
    name = socket.gethostname()
    families = (socket.AF_INET, socket.AF_INET6)
    addresses = [
        address.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in families
    ]
    names = tuple(dict.fromkeys((name, name.partition(".")[0], *addresses)))
    # A daemon without CAP_SYS_RESOURCE, as a rootless one, gives no more than the machine gives to us.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ContainerHost(names, groups, DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most))
