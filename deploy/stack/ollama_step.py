"""The model in Ollama: made from the verified file unless it is that already, and asked before anybody else asks it."""

from __future__ import annotations

from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.ollama import made as records
from embedstack.deploy.ollama.create import create as create_model
from embedstack.deploy.ollama.modelfile import parse
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.verify import gpu_fallback, verify
from embedstack.deploy.ollama.version import judge
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, Served
from embedstack.deploy.stack.planning import Looked
from embedstack.deploy.stack.steps import Doing
from embedstack.models.modelfile import render


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
        if looked.gpus.roomiest is not None and (told := gpu_fallback(server, served.name)):
            report.warn(told)


def _parameters(served: Served, where: Places) -> dict[str, int | float | bool | str]:
    """Those of the Modelfile, which is left where a person can read it: Ollama's API takes no Modelfile."""
    assert served.gguf is not None  # noqa: S101 -- checked by the caller
    text = render(served.model, served.gguf, served.num_ctx)
    (where.create().run / "Modelfile").write_text(text, encoding="utf-8")
    return dict(parse(text).parameters)
