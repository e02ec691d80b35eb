"""`embedstack doctor`: what stops the stack on this machine, or soon will."""

from dataclasses import dataclass, replace
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.doctor import engines as engine_missing
from embedstack.deploy.doctor.examine import examine
from embedstack.deploy.doctor.finding import Finding, Severity, blockers, worst_first
from embedstack.deploy.doctor.ollama import OllamaFacts
from embedstack.deploy.doctor.seen import look
from embedstack.deploy.errors import Blocked
from embedstack.deploy.places import places
from embedstack.deploy.plan import decide, engines
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import planning

_STYLES: dict[Severity, str] = {"blocker": "bold red", "warning": "yellow", "note": "cyan"}
_PLURAL: dict[Severity, str] = {"blocker": "Blockers", "warning": "Warnings", "note": "Notes"}


@dataclass(frozen=True)
class Diagnosis:
    """What was found for a stack that runs, or would, in `mode`. `exit_code` 3 where anything is a blocker.

    Attributes:
        checked: names of the checks that were made.
    """

    stack: str
    mode: str
    reason: str
    engine: str
    model: str
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    exit_code: int

    def __rich__(self) -> RenderableType:
        what = f"{self.model} on the engine {self.engine}"
        head = Text.assemble((self.stack, "bold"), f": {what}; {self.mode}, since {self.reason}")
        grouped = groupby(self.findings, key=lambda finding: finding.severity)
        lines = [part for severity, group in grouped for part in _section(severity, tuple(group))]
        checked = Text(f"Checked: {', '.join(self.checked)}.", style="dim")
        return Group(head, *(lines or ["", Text("Nothing blocks the stack.", style="green")]), "", checked)


def doctor(settings: Settings, report: Report) -> Diagnosis:
    """Look at this machine; nothing is started, changed or fetched. InvalidModel, InvalidSettings."""
    where = places(settings.stack.name)
    with report.step("looking at this machine"):
        looked = planning.look(settings, where, report)
        plan, refusal = _plan(settings, looked, report)
        machine = look(plan, where, looked.gpus, looked.daemon, looked.before.parts)
        if up := looked.before.record:
            machine = replace(machine, served=(up.model, up.precision))
        if refusal is not None and engines.bridge(settings, looked.facts) is not None:
            machine = replace(machine, ollama=OllamaFacts(url=looked.facts.url, bridge=True))
        found = examine(plan, machine)
    findings = found.findings
    if refusal is not None:
        free = settings.engine.kind == "auto" and settings.engine.url is None
        findings = worst_first(engine_missing.with_refusal(findings, refusal, free=free))
    code = Blocked.exit_code if blockers(findings) else 0
    checked, model = ("engine", *found.checked), plan.served.model.id
    return Diagnosis(settings.stack.name, plan.mode, plan.reason, plan.engine.kind, model, findings, checked, code)


def _plan(settings: Settings, looked: planning.Looked, report: Report) -> tuple[Plan, Blocked | None]:
    """The plan; where no engine is available, one with the engine that always is there, and why."""
    try:
        return planning.make(settings, looked, report.warn), None
    except Blocked as error:
        chosen = decide.model(settings)
        num_ctx = settings.model.num_ctx or chosen.model.context.recommended
        served = PlannedModel(chosen.model, chosen.model.id, chosen.file.quantisation, num_ctx)
        engine = PlannedEngine("embedded", True, "no other engine is available")
        return Plan(settings, "native", "no engine is available", engine, served), error


def _section(severity: Severity, findings: tuple[Finding, ...]) -> list[RenderableType]:
    title = _PLURAL[severity] if len(findings) > 1 else severity.capitalize()
    return ["", Text(title, style=_STYLES[severity]), *(line for finding in findings for line in _lines(finding))]


def _lines(finding: Finding) -> list[RenderableType]:
    head = Text.assemble((finding.id, "bold"), f"  {finding.title}")
    step = Text.assemble(("→ ", "green"), finding.next_step)
    rest = (Text(finding.evidence), Text(finding.impact, style="dim"), step)
    return [_indented(head, 2), *(_indented(line, 4) for line in rest)]


def _indented(line: Text, columns: int) -> Padding:
    return Padding(line, (0, 0, 0, columns), expand=False)
