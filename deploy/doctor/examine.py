"""All checks: each looks up its facts and judges them. One that fails is itself a finding, and the others go on.

What `up` asks before it fetches or starts anything.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from embedstack.deploy import secrets
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.doctor import disk, engines, gpu, memory, needs, neighbours, network, ports, precision, webui
from embedstack.deploy.doctor.finding import Finding, blockers, worst_first
from embedstack.deploy.doctor.seen import Machine
from embedstack.deploy.errors import Blocked, DeployError
from embedstack.deploy.machine import memory as machine_memory
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.sites.found import site


@dataclass(frozen=True)
class Subject:
    """One subject. `before_up`: asked before anything is started; the others make sense only while a stack runs."""

    name: str
    run: Callable[[Plan, Machine], Iterable[Finding]]
    before_up: bool = True


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the worst first, and the names of the checks that ran."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]


def examine(plan: Plan, machine: Machine, *, before_up: bool = False) -> Diagnosis:
    """Run all checks, or those of `before_up` alone."""
    chosen = [check for check in CHECKS if check.before_up or not before_up]
    findings = [finding for check in chosen for finding in _safely(check, plan, machine)]
    return Diagnosis(worst_first(findings), tuple(check.name for check in chosen))


def _safely(check: Subject, plan: Plan, machine: Machine) -> list[Finding]:
    try:
        return list(check.run(plan, machine))
    except Exception as error:  # noqa: BLE001 -- whatever a strange machine answers, the other checks go on
        text = error.message if isinstance(error, DeployError) else f"{type(error).__name__}: {error}"
        return [
            Finding(
                "CHECK-FAILED",
                "warning",
                f"The check of {check.name} could not be made",
                text,
                "What it looks for may be there, unseen.",
                (error.advice if isinstance(error, DeployError) else "")
                or f"Look at {check.name} yourself; please report this line if it makes no sense.",
            )
        ]


def _disk(plan: Plan, machine: Machine) -> Iterable[Finding]:
    return disk.check(tuple(needs.wanted(plan, machine)))


def _memory(plan: Plan, machine: Machine) -> Iterator[Finding]:
    on_gpu = machine.gpu is not None and machine.gpu.kind != "apple" and not plan.settings.engine.cpu
    uses = plan.engine.kind != "embedded" and on_gpu
    yield from memory.check_ram(plan, machine_memory.look(), on_gpu=uses, running=machine.running)
    models = machine.ollama.loaded if machine.ollama else ()
    if not memory.on_gpu_whole(plan.served.name, plan.num_ctx, models):
        loaded = sum(model.size_vram for model in models)
        yield from memory.check_vram(plan, machine.gpu, loaded=loaded, flash_attention=machine.flash_attention)


def _ports(plan: Plan, machine: Machine) -> Iterator[Finding]:
    place = site(plan.mode)
    pids = [part.pid for part in machine.parts if part.pid]
    published = [_port(part.address) for part in machine.parts if part.address and part.state != "stopped"]
    # A container's port is the daemon's, for all that can be seen from here; a process is known by its number.
    own = [port for port in published if port is not None] if not place.holds_ports else []
    others = neighbours.look(machine.places)
    looked = [ports.look(part, setting, port, others) for part, setting, port in ports.wanted(plan)]
    held = [one for one in looked if one is not None and not ports.own(one, pids, own)]
    for one in ports.with_free(held, plan, others):
        yield from ports.check(one, place)


def _gpu(plan: Plan, machine: Machine) -> Iterator[Finding]:
    yield from gpu.check(plan, machine.gpus, machine.daemon)
    yield from gpu.check_plan(plan, machine.gpus)


def _engines(_: Plan, machine: Machine) -> Iterator[Finding]:
    if machine.ollama is not None:
        yield from engines.check_ollama(machine.ollama)
    if machine.daemon is not None:
        yield from engines.check_docker(machine.daemon)


def _precision(plan: Plan, machine: Machine) -> Iterator[Finding]:
    yield from precision.check_model(plan)
    yield from precision.check_cache(precision.look(plan, machine))


def _network(plan: Plan, machine: Machine) -> Iterator[Finding]:
    yield from network.check_proxy(machine.environ)
    url = plan.engine.url
    yield from network.check_reach(plan, network.listening(network.port(url)) if url else (), machine.daemon)


def _store(plan: Plan, _: Machine) -> Iterable[Finding]:
    known = plan.store
    return webui.check_stores(plan, webui.reached(known.url)) if known else ()


def _limits(plan: Plan, _: Machine) -> Iterable[Finding]:
    return network.check_limits(network.look()) if site(plan.mode).inherits else ()


def _exposure(plan: Plan, machine: Machine) -> Iterable[Finding]:
    return (
        ()
        if plan.settings.stack.expose == "none"
        else webui.check_exposure(plan, webui.look_at_accounts(plan, machine))
    )


def _loaded(plan: Plan, machine: Machine) -> Iterable[Finding]:
    return gpu.check_loaded(plan, machine.gpus, machine.ollama.loaded) if machine.ollama else ()


def _webui_version(plan: Plan, machine: Machine) -> Iterable[Finding]:
    return webui.check_version(webui.running_version(plan, machine)) if plan.settings.webui.enabled else ()


def _webui(plan: Plan, machine: Machine) -> Iterator[Finding]:
    if machine.runs(webui.PART):
        known = secrets.read(machine.places, lambda _: None)
        planned = (plan.served.name, plan.served.precision)
        other = machine.served not in (None, planned)
        yield from webui.check(*webui.embedding_settings(plan, known), other_model=other)


def _index(plan: Plan, machine: Machine) -> Iterator[Finding]:
    if machine.runs(webui.PART):
        known = secrets.read(machine.places, lambda _: None)
        found = webui.index_facts(plan, known, machine.places)
        yield from webui.check_index(*found, plan.settings.webui.vector_store)


def _roles(plan: Plan, machine: Machine) -> Iterator[Finding]:
    if machine.runs(webui.PART):
        key = secrets.read(machine.places, lambda _: None).bridge_admin_key
        with BridgeApi(plan.bridge_url, key) as bridge:
            yield from webui.check_roles(bridge.roles())


def _port(address: str) -> int | None:
    return urlsplit(address if "//" in address else f"//{address}").port


CHECKS = (
    Subject("disk", _disk),
    Subject("memory", _memory),
    Subject("ports", _ports),
    Subject("GPU", _gpu),
    Subject("engines", _engines),
    Subject("precision", _precision),
    Subject("network", _network),
    Subject("vector store", _store),
    Subject("limits", _limits),
    Subject("exposure", _exposure),
    Subject("Open WebUI's version", _webui_version),
    Subject("what is loaded", _loaded, before_up=False),
    Subject("Open WebUI's settings", _webui, before_up=False),
    Subject("Open WebUI's roles", _roles, before_up=False),
    Subject("Open WebUI's index", _index, before_up=False),
)


def ensure(plan: Plan, machine: Machine) -> tuple[Finding, ...]:
    """Warnings and notes; Blocked, with what to do about each, where there is a blocker."""
    found = examine(plan, machine, before_up=True).findings
    if stopping := blockers(found):
        raise refusal(stopping)
    return found


def refusal(stopping: Sequence[Finding]) -> Blocked:
    """All blockers in one message, so that they can be put right at one go."""
    count = "1 problem stops" if len(stopping) == 1 else f"{len(stopping)} problems stop"
    lines = [f"{finding.title} [{finding.id}]: {finding.evidence}" for finding in stopping]
    # One command may put several right, as that with a free port for each part.
    steps = dict.fromkeys(f"{finding.id}: {finding.next_step}" for finding in stopping)
    return Blocked("\n  ".join([f"{count} the stack.", *lines]), "\n".join(steps))
