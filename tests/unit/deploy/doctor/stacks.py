"""Stacks and machines to examine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.plan.plan import Mode, Plan, PlannedEngine, PlannedModel
from embedstack.deploy.settings import Settings
from embedstack.models import catalog

GIB = 2**30
OLLAMA = "http://127.0.0.1:11434"
CARD = Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB, "550.54.15")


def planned(
    given: dict[str, Any] | None = None,
    *,
    model: str = "qwen3-embedding:4b",
    quantisation: str | None = None,
    mode: Mode = "native",
    kind: str = "ollama",
    managed: bool = True,
    url: str | None = OLLAMA,
    program: Path | None = None,
    num_ctx: int | None = None,
) -> Plan:
    """A stack with these settings and this engine."""
    known = catalog.load().find(model).model
    engine = msgspec.convert({"kind": kind, "managed": managed, "reason": "a test"}, PlannedEngine)
    engine = PlannedEngine(engine.kind, managed, "a test", url, program)
    precision = known.file(quantisation).quantisation
    served = PlannedModel(known, known.id, precision, num_ctx or known.context.recommended)
    return Plan(msgspec.convert(given or {}, Settings), mode, "a test", engine, served)


def daemon(**given: Any) -> Daemon:
    """A daemon that answers, with nothing wrong but what is given."""
    usual = {"host": "unix:///var/run/docker.sock", "why_not": "", "version": "28.5.1", "compose": "2.40.3"}
    return Daemon(**{**usual, "runtimes": ("io.containerd.runc.v2", "runc"), **given})


def reported(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Id and severity of each."""
    return [(finding.id, finding.severity) for finding in findings]
