"""`embedstack up`: the stack, from nothing to a proof.

`up`, step by step. Each step finds out by itself whether it was done before, so that any of them may be the last.

Blockers are reported before anything is fetched or started.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import msgspec

from embedstack.deploy import advice, record
from embedstack.deploy import flags as memory
from embedstack.deploy import secrets as stack_secrets
from embedstack.deploy.config import LoadedSettings
from embedstack.deploy.console import Report
from embedstack.deploy.doctor import examine
from embedstack.deploy.doctor import seen as machine
from embedstack.deploy.errors import InvalidSettings, PartNotReady, SmokeFailed
from embedstack.deploy.flags import Remembered
from embedstack.deploy.native import client
from embedstack.deploy.places import Places, places
from embedstack.deploy.plan.plan import Plan, PlannedModel
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.settings import Settings, Store
from embedstack.deploy.sites.found import site
from embedstack.deploy.sites.site import Runner
from embedstack.deploy.smoke import run as smoke_run
from embedstack.deploy.smoke.proof import Proof, proof
from embedstack.deploy.smoke.run import SmokeTarget
from embedstack.deploy.stack import chat_step, going, models, planning, store_step, webui_step
from embedstack.deploy.stack.chat_step import Chat
from embedstack.deploy.stack.planning import Looked
from embedstack.deploy.stack.result import Planned, Up
from embedstack.deploy.stack.steps import Steps
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import install
from embedstack.vectors.checks import UNIT

ENGINES, BRIDGES, WEBUI = ("ollama", "vllm"), ("bridge", "bridge-bf16"), "open-webui"
STORES = tuple(store for store in get_args(Store) if store != "chroma")


@dataclass(frozen=True)
class Stack:
    """A stack on its way up. `reindex`: what Open WebUI has indexed is embedded again where it must be."""

    places: Places
    secrets: Secrets
    looked: Looked
    report: Report
    steps: Steps
    reindex: bool = False

    def runner(self, plan: Plan) -> Runner:
        gpu = self.looked.gpus.roomiest is not None
        found = site(plan.mode)
        return found.runner(plan, self.secrets, self.places, self.report, daemon=self.looked.daemon, gpu=gpu)


@dataclass(frozen=True)
class Begun:
    """An `up` without a blocker, as far as can be seen before anything is done."""

    stack: Stack
    plan: Plan
    remember: Remembered
    began: float


def planned(settings: Settings, report: Report, *, reindex: bool = False) -> Planned:
    """What `up` would do; raises and warns of all that it would before it begins."""
    where = places(settings.stack.name)
    _, made = _foreseen(settings, where, report, reindex=reindex)
    return Planned(
        stack=settings.stack.name,
        mode=made.mode,
        reason=made.reason,
        engine=made.engine.kind,
        engine_reason=made.engine.reason,
        model=made.served.name,
        precision=made.served.precision,
        num_ctx=made.served.num_ctx,
        download_bytes=models.to_fetch(made),
        parts=made.parts,
    )


def begin(settings: Settings, remember: Remembered, report: Report, *, reindex: bool = False) -> Begun:
    """Look whether the stack can be brought up; nothing is made for one that cannot. `reindex`: see `Stack`."""
    began = time.monotonic()
    where = places(settings.stack.name)
    looked, made = _foreseen(settings, where, report, reindex=reindex)
    report.say_plain("[dim]•[/]", f"{made.mode}: {made.reason}; {made.engine.kind}: {made.engine.reason}")
    secrets = stack_secrets.ensure(where, report.warn)
    return Begun(Stack(where, secrets, looked, report, Steps(report), reindex), made, remember, began)


def carry_out(begun: Begun) -> Up:
    """Bring the stack up, and prove that it answers rightly. Its flags are remembered from the first step on, so that
    an `up` without any goes on from there.
    """
    with going.recorded(begun.stack.places, begun.plan) as telling:
        begun.stack.steps.at, begun.stack.report.heard = telling.step, telling.moved
        return _carry_out(begun)


def _carry_out(begun: Begun) -> Up:
    stack, made = begun.stack, begun.plan
    memory.write(stack.places, begun.remember)
    advice.about(made.settings.stack.name)  # without what was typed: it is known from now on
    made = _files(stack, made)
    before = stack.looked.before.record
    proved = replace(record.of(made), proved=True)
    record.write(stack.places, proved if before == proved else record.of(made))
    _start(stack, made)
    shown = _prove(stack, made, already=before == proved)
    record.write(stack.places, proved)
    parts = (*_external(made), *stack.runner(made).states())
    unchanged = all(step.already for step in stack.steps.done)
    chat = chat_step.look(made, stack.looked.gpus)
    return Up(
        stack=made.settings.stack.name,
        mode=made.mode,
        reason=made.reason,
        model=made.served.name,
        note=made.served.model.note,
        unchanged=unchanged,
        seconds=time.monotonic() - begun.began,
        parts=parts,
        steps=stack.steps.done,
        proof=shown,
        next=_next(made, chat),
        chat=chat,
    )


def _foreseen(settings: Settings, where: Places, report: Report, *, reindex: bool) -> tuple[Looked, Plan]:
    """The plan, with everything raised or said that stands in its way and can be seen from here."""
    looked = planning.look(settings, where, report)
    made = planning.make(settings, looked, report.warn)
    check_machine(made, looked, where, report.warn)
    if site(made.mode).webui_environment(made.settings) is not None:
        install.ensure_possible(made.settings.webui)
    if made.settings.webui.enabled and not reindex:
        webui_step.foresee(made, where, looked.before)
    return looked, made


def _external(made: Plan) -> tuple[PartState, ...]:
    """An engine that ran before us, reported beside the stack's own parts."""
    if made.engine.managed or made.engine.url is None:
        return ()
    return (PartState(made.engine.kind, "running", made.engine.url, reason="not the stack's own"),)


def _files(stack: Stack, made: Plan) -> Plan:
    with stack.steps.step("model file") as doing:
        made = models.prepare(made, stack.report, doing)
    if (wanted := site(made.mode).webui_environment(made.settings)) is not None:
        with stack.steps.step("Open WebUI's environment") as doing:
            if wanted.complete:
                doing.was_done(f"Open WebUI {wanted.version}")
            else:
                install.ensure(made.settings.webui, stack.report)
                doing.did(f"Open WebUI {wanted.version}")
    return made


def _start(stack: Stack, made: Plan) -> None:
    runner = stack.runner(made)
    parts = made.parts
    _part(stack, runner, "engine", [name for name in ENGINES if name in parts])
    if made.engine.kind == "ollama":
        with stack.steps.step("model in Ollama") as doing:
            models.create(made, stack.looked, stack.places, stack.report, doing)
    _part(stack, runner, "bridge", [name for name in BRIDGES if name in parts])
    if WEBUI not in parts:
        webui_step.forget(made, stack.secrets, stack.places)
        return
    _part(stack, runner, "vector store", [name for name in STORES if name in parts])
    if store_step.wanted(made):
        with stack.steps.step("table of vectors") as doing:
            index = webui_step.index(made, stack.secrets, stack.places)
            store_step.prepare(made, runner, index, stack.report, doing, reindex=stack.reindex)
    if made.settings.stack.expose != "none":
        _close_first(stack, made)
    _part(stack, runner, "Open WebUI", [WEBUI])
    with stack.steps.step("Open WebUI's settings") as doing:
        doing.was_done("as they should be")
        webui_step.settle(made, stack.secrets, stack.places, stack.report, doing, reindex=stack.reindex)


def _part(stack: Stack, runner: Runner, name: str, parts: list[str]) -> None:
    if not parts:
        return
    with stack.steps.step(name) as doing:
        message = ", ".join(parts)
        if runner.start(parts):
            doing.did(message)
        else:
            doing.was_done(f"{message} running")


def _close_first(stack: Stack, made: Plan) -> None:
    """Open WebUI on loopback, until it is known that nobody can make an account: only then is it exposed."""
    with stack.steps.step("Open WebUI closed to strangers") as doing:
        doing.was_done("sign-up is off")
        if not any(part.name == WEBUI and part.state == "running" for part in stack.runner(made).states()):
            loopback = replace(made, webui_closed=True)
            stack.runner(loopback).start([WEBUI])
            doing.did("sign-up is off")
        webui_step.ensure_closed(made)


def _prove(stack: Stack, made: Plan, *, already: bool) -> Proof:
    """One call for everybody to see; after a change, or where it was not passed yet, all of the smoke test too."""
    key = stack.secrets.bridge_key if made.keyed else None
    if not already or not all(step.already for step in stack.steps.done):
        for served, url in _bridges(made):
            _smoke(stack, served, url, key, made.settings.model.catalog)
    shown = proof(made.bridge_url, made.webui_model, key)
    if shown.dimensions != made.dimensions or abs(shown.norm - 1) > UNIT:
        raise SmokeFailed(
            f"/api/embed gave {shown.dimensions} numbers of norm {shown.norm:.4f}, where {made.webui_model} has "
            f"{made.dimensions} of norm 1.",
            "`embedstack smoke` shows every check.",
        )
    return shown


def _smoke(stack: Stack, served: PlannedModel, url: str, key: str | None, own: Path | None) -> None:
    if served.model.reference is None:
        stack.report.warn(f"{served.name} was not tested: the catalogue has no reference texts for it")
        return
    with stack.steps.step(f"smoke test of {served.name}") as doing:
        smoke = smoke_run.run(SmokeTarget(url, served.name, key, own), stack.report, paced=False)
        smoke_run.require(smoke)
        doing.did(f"{sum(check.passed is True for check in smoke.checks)} checks passed")


def _bridges(made: Plan) -> list[tuple[PlannedModel, str]]:
    beside = [(made.beside, made.beside_url)] if made.beside else []
    return [(made.served, made.bridge_url), *beside]


def _next(made: Plan, chat: Chat | None) -> tuple[str, ...]:
    curl = (
        f"""curl {made.bridge_url}/api/embed -d '{{"model":"{made.webui_model}","input":["…"],"input_type":"query"}}'"""
    )
    lines = [f"Embed:  {curl}"]
    if made.keyed:
        lines.append("Key:    `embedstack config secrets` has the bridge's")
    if made.settings.webui.enabled:
        lines.append(
            f"Chat:   {made.webui_url} as {made.settings.webui.admin_email} "
            "(`embedstack config secrets` has the password)"
        )
    if chat is not None:
        lines.append(chat.line)
    return (*lines, "Look:   `embedstack status`, `embedstack logs`, `embedstack doctor`", "Stop:   `embedstack down`")


def plan(loaded: LoadedSettings, report: Report, *, reindex: bool = False, foreground: bool = False) -> Planned:
    """What would be done; nothing is. Raises all that `up` would before it begins."""
    settings = _in_foreground(loaded.settings) if foreground else loaded.settings
    if foreground:
        client.ensure_free(places(settings.stack.name))
    return planned(settings, report, reindex=reindex)


def up(loaded: LoadedSettings, report: Report, *, reindex: bool = False) -> Up:
    """Every step that is not done yet. What stops it is raised, and the next `up` goes on from there. `reindex`: what
    Open WebUI has indexed is embedded again where it must be.
    """
    return carry_out(begin(loaded.settings, loaded.remember, report, reindex=reindex))


def stay(loaded: LoadedSettings, report: Report, *, reindex: bool = False) -> None:
    """The same in the foreground, as systemd wants it: what was started ends with this process, and the other way.

    InvalidSettings with Docker, whose daemon keeps containers by itself.
    """
    native = _in_foreground(loaded.settings)
    where = places(native.stack.name)
    client.ensure_free(where)
    try:
        begun = begin(native, loaded.remember, report, reindex=reindex)
        with client.attached_supervisor(where) as supervisor:
            report.show(carry_out(begun))
            status = supervisor.wait()
    except KeyboardInterrupt:
        return  # as it is meant to end
    if status:  # 0: it was asked to end, as by `embedstack down`
        raise PartNotReady(
            f"The stack's supervisor ended with status {status}.", "`embedstack logs` has what its parts wrote."
        )


def _in_foreground(settings: Settings) -> Settings:
    if settings.stack.mode == "docker":
        raise InvalidSettings(
            "--foreground is for the native mode; Docker restarts its containers by itself.", "Leave it out."
        )
    return msgspec.structs.replace(settings, stack=msgspec.structs.replace(settings.stack, mode="native"))


def check_machine(plan: Plan, looked: Looked, where: Places, say: Callable[[str], None]) -> None:
    """Blocked, with every blocker and what to do about it; warnings are said."""
    seen = machine.look(plan, where, looked.gpus, looked.daemon, looked.before.parts)
    for finding in examine.ensure(plan, seen):
        if finding.severity == "warning":
            say(f"{finding.title} [{finding.id}]: {finding.evidence} {finding.next_step}")
