"""How many tokens a second this machine embeds: from what runs, else from what its processor multiplies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedstack.deploy.bridge_client import Access, BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused
from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.ollama.server import RunningModel
from embedstack.deploy.plan.plan import local
from embedstack.deploy.smoke import pace as paces
from embedstack.deploy.smoke import server as servers
from embedstack.models.catalog import Catalog, Model, NotInCatalog

DEMO = "demo"  # its one layer says nothing of the others
# Of what NumPy multiplies in f32, the part that llama.cpp makes of it, at two operations a parameter and token: 0.40 to
# 0.62 with llama.cpp 0.3.36 and random weights in the 0.6B's shape at Q8_0, 500 tokens, two cores.
EFFICIENCY = 0.5
SIDE, SECONDS = 1024, 1.5  # of the matrices, and how long they are multiplied


@dataclass(frozen=True)
class SeenSpeed:
    """What was measured: a model's tokens a second, or what its arithmetic alone would allow.

    Attributes:
        parameters: of the model that was measured.
        source: what was measured, in words.
        exact: the id and the precision that it holds for, None where nothing ran.
    """

    tokens_per_second: float
    parameters: int
    source: str
    on_gpu: bool
    exact: tuple[str, str] | None = None


def served(
    known: Catalog,
    access: Access,
    ollama_url: str,
    loaded: Sequence[RunningModel],
    report: Report,
    gpu: Gpu | None,
    *,
    vllm: bool,
) -> SeenSpeed | None:
    """From a bridge of this machine, else from a model that its Ollama has loaded; None where there is neither."""
    on_gpu = gpu is not None and (vllm or gpu.kind == "apple" or any(model.size_vram for model in loaded))
    asked = [(access.url, access.key, access.model), *((ollama_url, None, model.name) for model in loaded)]
    for url, key, name in asked:
        if local(url) and (found := _timed(known, url, key, name, report, on_gpu=on_gpu)) is not None:
            return found
    return None


def _timed(
    known: Catalog, url: str, key: str | None, name: str | None, report: Report, *, on_gpu: bool
) -> SeenSpeed | None:
    with BridgeClient(url, key) as client:
        try:
            server = servers.find(client, name or "")
            served = name or next((one for one in server.names if _known(known, one)), "")
            model = _known(known, served)
            if model is None or model.id == DEMO or not model.parameters:
                return None
            server = servers.find(client, served)
            native = model.dimensions if server.kind == "bridge" else None
            with report.step(f"the speed of {served} at {url}"):
                found = paces.brief(replace(server, native=native))
        except BridgeRefused:
            return None
    precision = _precision(model, server.precision)
    return SeenSpeed(found, model.parameters, f"{served} ({precision}) at {url}", on_gpu, (model.id, precision))


def _known(known: Catalog, name: str) -> Model | None:
    try:
        return known.find(name.partition("@")[0]).model
    except NotInCatalog:
        return None


def _precision(model: Model, said: str | None) -> str:
    try:
        return model.precision(said or model.default_quantisation)
    except NotInCatalog:
        return str(said)


def multiplied() -> SeenSpeed:
    """What this processor would do, by the matrices that NumPy multiplies in a second and a half."""
    one = np.ones((SIDE, SIDE), np.float32)
    product = one @ one  # threads are started, and the memory is there
    times, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        np.matmul(one, one, out=product)
        times += 1
    operations = times * 2 * SIDE**3 / passed
    billion = 10**9
    return SeenSpeed(
        EFFICIENCY * operations / (2 * billion), billion, f"{operations / 1e9:,.0f} GFLOPS in NumPy", False
    )
