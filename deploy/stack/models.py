"""The model's files, on this disk and looked at: what an engine is given."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from deploy import demo_model
from deploy.console import Report
from deploy.errors import InvalidModel
from deploy.gates.gate import accept
from deploy.hub.fetch import fetch, on_disk
from deploy.hub.folder import fetch_folder
from deploy.hub.source import source
from deploy.plan import Plan, Served
from deploy.settings import Settings
from deploy.stack.steps import Doing
from modelfiles.demo.build import GGUF, default_folder
from modelfiles.model import ModelFile


def to_fetch(plan: Plan) -> int:
    """Bytes that `up` would fetch, as far as the catalogue knows them; the demo model is built and not fetched."""
    if plan.served.model.id == "demo" or not _takes_gguf(plan):
        return 0
    file = plan.served.model.file(plan.served.precision)
    return 0 if on_disk(file, source(plan.settings.hub, os.environ)) else file.bytes or 0


def prepare(plan: Plan, report: Report, doing: Doing) -> Plan:
    """Fetch, verify and examine what the plan's engines are given. Whatever keeps a file from being used is raised."""
    served = _with_file(plan.served, plan.settings, report, doing) if _takes_gguf(plan) else plan.served
    if plan.engine.kind == "vllm":
        served = _with_folder(served, plan.settings, report)
    beside = _with_folder(plan.beside, plan.settings, report) if plan.beside else None
    return replace(plan, served=served, beside=beside)


def _takes_gguf(plan: Plan) -> bool:
    return plan.engine.kind != "vllm"


def _with_file(served: Served, settings: Settings, report: Report, doing: Doing) -> Served:
    file = served.model.file(served.precision)
    path, already = _demo(report) if served.model.id == "demo" else _fetched(file, settings, report)
    accept(path, served.model)
    told = f"{path.name}, sha256 {(file.sha256 or '')[:12]}…, its header right"
    if already:
        doing.was_done(told)
    else:
        doing.did(told)
    return replace(served, gguf=path, sha256=file.sha256)


def _demo(report: Report) -> tuple[Path, bool]:
    there = (default_folder() / GGUF).is_file()
    return demo_model.demo(report).gguf, there


def _fetched(file: ModelFile, settings: Settings, report: Report) -> tuple[Path, bool]:
    fetched = fetch(file, source(settings.hub, os.environ), report)
    return fetched.path, fetched.already


def _with_folder(served: Served, settings: Settings, report: Report) -> Served:
    folder = _folder(served, settings, report)
    accept(folder, served.model)
    return replace(served, folder=folder)


def _folder(served: Served, settings: Settings, report: Report) -> Path:
    if served.model.id == "demo":
        return demo_model.demo(report).hf
    if served.model.safetensors is None:
        raise InvalidModel(f"The catalogue names no safetensors of {served.model.id} for vLLM.")
    return fetch_folder(served.model.safetensors, source(settings.hub, os.environ), report).path
