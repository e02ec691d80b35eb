"""What a stack still has to put onto the disks, and where."""

from collections.abc import Iterator
from pathlib import Path

from embedstack.deploy.docker import cli
from embedstack.deploy.doctor.disk import CREATE_COPIES, Need, look
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.hub.fetch import on_disk
from embedstack.deploy.hub.source import Source, source
from embedstack.deploy.ollama import create
from embedstack.deploy.ollama.server import same_name
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.webui import install

CACHE_SETTING = "`--set hub.cache=FOLDER`"
OLLAMA_SETTING = "OLLAMA_MODELS"


def wanted(plan: Plan, machine: Machine) -> Iterator[Need]:
    """Every folder that the stack writes, with what is to come there."""
    origin = source(plan.settings.hub, machine.environ)
    yield look("the stack's data", machine.places.data, "EMBEDSTACK_HOME", 0)
    if plan.model.hub_id is not None:
        yield look("the model", origin.folder, CACHE_SETTING, to_fetch(plan, origin))
    if plan.mode == "docker":
        yield from _containers(plan, machine)
    else:
        yield from _native(plan, machine)


def to_fetch(plan: Plan, origin: Source) -> int:
    """Bytes that are missing on this disk; the demo model is built, and counts as nothing."""
    if plan.model.hub_id is None:
        return 0
    file = plan.file
    whole = plan.engine.kind == "vllm" or on_disk(file, origin) is not None
    return (0 if whole else file.bytes or 0) + (0 if _folder_there(plan, origin) else plan.folder_bytes)


def _folder_there(plan: Plan, origin: Source) -> bool:
    weights = plan.model.safetensors
    if weights is None:
        return True
    snapshots = origin.folder / f"models--{weights.repository.replace('/', '--')}" / "snapshots"
    return any((snapshots / weights.revision).glob("*.safetensors"))


def _native(plan: Plan, machine: Machine) -> Iterator[Need]:
    if plan.engine.kind == "ollama" and not plan.elsewhere:
        folder = Path(machine.environ.get(OLLAMA_SETTING) or "~/.ollama/models").expanduser()
        # One that runs already may be another user's: where it keeps its models is then not ours to write.
        yield look("Ollama's copy of it", folder, OLLAMA_SETTING, _copies(plan, machine), ours=plan.engine.managed)
    if plan.settings.webui.enabled:
        there = install.environment(plan.settings.webui)
        missing = 0 if there.installed else install.needed_bytes()
        yield look("Open WebUI", there.folder, "EMBEDSTACK_CACHE, or --no-webui", missing)


def _containers(plan: Plan, machine: Machine) -> Iterator[Need]:
    daemon = machine.daemon
    if daemon is None or daemon.why_not or not Path(daemon.root or "/no-such-folder").exists():
        return  # a daemon in a virtual machine, or on another one: its disk cannot be seen from here
    copies = _copies(plan, machine) if plan.engine.own_ollama else 0
    image = plan.settings.images.webui
    absent = plan.settings.webui.enabled and cli.output(["docker", "image", "inspect", image]) is None
    total = copies + (install.WITH_CUDA if absent else 0)
    yield look("images and volumes", Path(daemon.root), "`data-root` in /etc/docker/daemon.json", total, ours=False)


def _copies(plan: Plan, machine: Machine) -> int:
    known = machine.ollama.models if machine.ollama else ()
    there = any(same_name(name, plan.served.name) for name in known)
    return 0 if there or _made(plan) else CREATE_COPIES * (plan.file.bytes or 0)


def _made(plan: Plan) -> bool:
    """Whether the Ollama of the stack has it from an earlier time: one that is down cannot be asked."""
    served, url = plan.served, plan.engine.url
    known = create.recall(url, served.name) if url else None
    return known is not None and known.source == served.sha256
