"""vLLM beside Ollama, as planned for this user's own processes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from embedstack.deploy.errors import Blocked
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.plan.engines import Facts
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.settings import Settings
from embedstack.deploy.sites.found import Before
from embedstack.deploy.stack import planning
from embedstack.deploy.stack.planning import Looked

VLLM = Path("/opt/vllm/bin/vllm")


def _planned(vllm: Path | None, *, cpu: bool = True) -> Plan:
    """On a machine with an Ollama that could be started, and no GPU."""
    wanted = {"stack": {"mode": "native"}, "engine": {"cpu": cpu, "kind": "ollama"}, "vllm": {"beside": True}}
    facts = Facts("http://127.0.0.1:11434", ollama=Path("/usr/bin/ollama"), vllm=vllm)
    return planning.make(msgspec.convert(wanted, Settings), Looked(None, Gpus(), facts, Before()), lambda _: None)


def test_it_has_a_name_and_a_bridge_of_its_own() -> None:
    """The bf16 weights, behind another bridge than Ollama's."""
    plan = _planned(VLLM)

    assert plan.beside is not None
    assert (plan.beside.name, plan.beside.precision) == ("qwen3-embedding:4b-bf16", "bf16")
    assert [part for part in plan.parts if part != "open-webui"] == ["ollama", "vllm", "bridge", "bridge-bf16"]
    assert plan.vllm == VLLM


def test_no_vllm() -> None:
    """Refused with how to name one, before anything is fetched."""
    with pytest.raises(Blocked, match="no program `vllm`") as refused:
        _planned(None)

    assert "vllm.program" in refused.value.advice
