"""What a stack still has to put onto the disks, and where."""

from collections.abc import Iterator

from embedstack.deploy.doctor.disk import CREATE_COPIES, Need, look
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.hub.fetch import on_disk
from embedstack.deploy.hub.source import Source, source
from embedstack.deploy.ollama import create
from embedstack.deploy.ollama.server import same_name
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.sites.found import site

CACHE_SETTING = "`--set hub.cache=FOLDER`"


def wanted(plan: Plan, machine: Machine) -> Iterator[Need]:
    """Every folder that the stack writes, with what is to come there."""
    origin = source(plan.settings.hub, machine.environ)
    yield look("the stack's data", machine.places.data, "EMBEDSTACK_HOME", 0)
    if plan.model.hub_id is not None:
        yield look("the model", origin.folder, CACHE_SETTING, to_fetch(plan, origin))
    copies = _copies(plan, machine) if plan.engine.kind == "ollama" else 0
    for use in site(plan.mode).disk_use(plan, machine.environ, machine.daemon, copies):
        yield look(use.what, use.folder, use.setting, use.bytes, ours=use.ours)


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


def _copies(plan: Plan, machine: Machine) -> int:
    known = machine.ollama.models if machine.ollama else ()
    there = any(same_name(name, plan.served.name) for name in known)
    return 0 if there or _made(plan) else CREATE_COPIES * (plan.file.bytes or 0)


def _made(plan: Plan) -> bool:
    """Whether the Ollama of the stack has it from an earlier time: one that is down cannot be asked."""
    served, url = plan.served, plan.engine.url
    known = create.recall(url, served.name) if url else None
    return known is not None and known.source == served.sha256
