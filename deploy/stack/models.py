"""The model's files, on this disk and looked at: what an engine is given.

The model in Ollama: made from the verified file unless it is that already, and asked before anybody else asks it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.demo import model
from embedstack.deploy.doctor import needs
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.gates.gate import accept
from embedstack.deploy.hub.fetch import fetch
from embedstack.deploy.hub.folder import fetch_folder
from embedstack.deploy.hub.source import source
from embedstack.deploy.ollama import create as records
from embedstack.deploy.ollama.create import create as create_model
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.verify import gpu_fallback, verify
from embedstack.deploy.ollama.version import judge
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, PlannedModel
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack.planning import Looked
from embedstack.deploy.stack.steps import Doing
from embedstack.models.demo.build import GGUF, default_folder
from embedstack.models.model import ModelFile
from embedstack.models.modelfile import Modelfile


def to_fetch(plan: Plan) -> int:
    """Bytes that `up` would fetch, as far as the catalogue knows them; the demo model is built and not fetched."""
    return needs.to_fetch(plan, source(plan.settings.hub, os.environ))


def prepare(plan: Plan, report: Report, doing: Doing) -> Plan:
    """Fetch, verify and examine what the plan's engines are given. Whatever keeps a file from being used is raised."""
    got = [_with_file(plan.served, plan.settings, report)] if plan.engine.kind != "vllm" else []
    got += [_with_folder(plan.on_vllm, plan.settings, report)] if plan.on_vllm else []
    message = "; ".join(one.detail for one in got)
    if all(one.already for one in got):
        doing.was_done(message)
    else:
        doing.did(message)
    return replace(plan, served=got[0].served, beside=got[-1].served if plan.beside else None)


@dataclass(frozen=True)
class _Got:
    served: PlannedModel
    detail: str
    already: bool


def _with_file(served: PlannedModel, settings: Settings, report: Report) -> _Got:
    file = served.model.file(served.precision)
    path, already = _demo(report) if served.model.id == "demo" else _fetched(file, settings, report)
    accept(path, served.model)
    message = f"{path.name}, sha256 {(file.sha256 or '')[:12]}…, its header right"
    return _Got(replace(served, gguf=path, sha256=file.sha256), message, already)


def _with_folder(served: PlannedModel, settings: Settings, report: Report) -> _Got:
    path, already = _folder(served, settings, report)
    accept(path, served.model)
    return _Got(replace(served, folder=path), f"{served.name} for vLLM, its folder right", already)


def _demo(report: Report) -> tuple[Path, bool]:
    there = (default_folder() / GGUF).is_file()
    return model.demo(report).gguf, there


def _fetched(file: ModelFile, settings: Settings, report: Report) -> tuple[Path, bool]:
    fetched = fetch(file, source(settings.hub, os.environ), report)
    return fetched.path, fetched.already


def _folder(served: PlannedModel, settings: Settings, report: Report) -> tuple[Path, bool]:
    if served.model.id == "demo":
        there = (default_folder() / GGUF).is_file()
        return model.demo(report).hf, there
    if served.model.safetensors is None:
        raise InvalidModel(f"The catalogue names no safetensors of {served.model.id} for vLLM.")
    fetched = fetch_folder(served.model.safetensors, source(settings.hub, os.environ), report)
    return fetched.path, fetched.already


def create(plan: Plan, looked: Looked, where: Places, report: Report, doing: Doing) -> None:
    """EngineNotUsable for an Ollama that is too old, EngineRefused for one that gives wrong vectors."""
    served = plan.served
    if served.gguf is None or served.sha256 is None or plan.engine.url is None:
        raise InvalidModel(f"{served.name} has no file that Ollama could be given.")
    with Ollama(plan.engine.url) as server:
        if note := judge(server.version()).note:
            report.warn(note)
        created = create_model(server, served.name, served.gguf, served.sha256, _parameters(served, where), report)
        known = records.recall(server.url, served.name)
        if created.already and known is not None and known.verified:
            doing.was_done(f"{served.name} as it was made")
            return
        checks = verify(server, served.name, served.model, served.precision, plan.settings.model.kept)
        records.vouch(server.url, served.name)
        doing.did(f"{served.name}, {len(checks)} checks passed")
        if looked.gpus.roomiest is not None and (reported := gpu_fallback(server, served.name)):
            report.warn(reported)


def _parameters(served: PlannedModel, where: Places) -> dict[str, int | float | bool | str]:
    """Those of the Modelfile, which is left where a person can read it: Ollama's API takes no Modelfile."""
    assert served.gguf is not None  # noqa: S101 -- checked by the caller
    modelfile = Modelfile.of(served.model, served.gguf, served.num_ctx)
    (where.create().run / "Modelfile").write_text(modelfile.text, encoding="utf-8")
    return modelfile.parameters
