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
from embedstack.deploy.plan.plan import StackIntent
from embedstack.deploy.webui import install

CACHE_SETTING = "`--set hub.cache=FOLDER`"
OLLAMA_SETTING = "OLLAMA_MODELS"


def wanted(intent: StackIntent, machine: Machine) -> Iterator[Need]:
    """Every folder that the stack writes, with what is to come there."""
    origin = source(intent.settings.hub, machine.environ)
    yield look("the stack's data", machine.places.data, "EMBEDSTACK_HOME", 0)
    if intent.model.hub_id is not None:
        yield look("the model", origin.folder, CACHE_SETTING, to_fetch(intent, origin))
    if intent.mode == "docker":
        yield from _containers(intent, machine)
    else:
        yield from _native(intent, machine)


def to_fetch(intent: StackIntent, origin: Source) -> int:
    """Bytes that are missing on this disk; the demo model is built, and counts as nothing."""
    if intent.model.hub_id is None:
        return 0
    file = intent.file
    whole = intent.engine.kind == "vllm" or on_disk(file, origin) is not None
    return (0 if whole else file.bytes or 0) + (0 if _folder_there(intent, origin) else intent.folder_bytes)


def _folder_there(intent: StackIntent, origin: Source) -> bool:
    weights = intent.model.safetensors
    if weights is None:
        return True
    snapshots = origin.folder / f"models--{weights.repository.replace('/', '--')}" / "snapshots"
    return any((snapshots / weights.revision).glob("*.safetensors"))


def _native(intent: StackIntent, machine: Machine) -> Iterator[Need]:
    if intent.engine.kind == "ollama" and not intent.elsewhere:
        folder = Path(machine.environ.get(OLLAMA_SETTING) or "~/.ollama/models").expanduser()
        # One that runs already may be another user's: where it keeps its models is then not ours to write.
        yield look("Ollama's copy of it", folder, OLLAMA_SETTING, _copies(intent, machine), ours=intent.engine.managed)
    if intent.settings.webui.enabled:
        there = install.environment(intent.settings.webui)
        missing = 0 if there.installed else install.needed_bytes()
        yield look("Open WebUI", there.folder, "EMBEDSTACK_CACHE, or --no-webui", missing)


def _containers(intent: StackIntent, machine: Machine) -> Iterator[Need]:
    daemon = machine.daemon
    if daemon is None or daemon.why_not or not Path(daemon.root or "/no-such-folder").exists():
        return  # a daemon in a virtual machine, or on another one: its disk cannot be seen from here
    copies = _copies(intent, machine) if intent.engine.kind == "ollama" and intent.engine.managed else 0
    image = intent.settings.images.webui
    absent = intent.settings.webui.enabled and cli.output(["docker", "image", "inspect", image]) is None
    total = copies + (install.WITH_CUDA if absent else 0)
    yield look("images and volumes", Path(daemon.root), "`data-root` in /etc/docker/daemon.json", total, ours=False)


def _copies(intent: StackIntent, machine: Machine) -> int:
    known = machine.ollama.models if machine.ollama else ()
    there = any(same_name(name, intent.plan.served.name) for name in known)
    return 0 if there or _made(intent) else CREATE_COPIES * (intent.file.bytes or 0)


def _made(intent: StackIntent) -> bool:
    """Whether the Ollama of the stack has it from an earlier time: one that is down cannot be asked."""
    served, url = intent.plan.served, intent.engine.url
    known = create.recall(url, served.name) if url else None
    return known is not None and known.source == served.sha256
