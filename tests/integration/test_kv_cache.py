"""A key/value cache of fewer bits makes other vectors, and the gate sees it wherever it has others to compare with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
import yaml

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.engines.run import llama_server
from tests.random_fixture import MODEL, RandomFixture
from tests.upstreams.llama import llama_child
from tests.upstreams.load import wait_until


def refused_by(*arguments: str) -> list[str]:
    """The checks that the first engine fails."""
    with bridge(*arguments, wait_ready=False) as running:
        state = running.wait_settled()
        assert not state["ready"]
        return [check["check"] for check in state["backends"][0]["checks"] if not check["ok"]]


@pytest.mark.parametrize("base", ["demo", "random"])
def test_known_scores_refuse_a_cache_of_four_bits(base: str, demo: DemoFiles, random_fixture: RandomFixture) -> None:
    """Of constructed and of random weights; with a cache in f16 the same files pass."""
    gguf = {"demo": demo.gguf, "random": random_fixture.gguf}[base]
    known = ("--set", f"model.id={base}", "--set", "model.precision=f16", *random_fixture.catalog_arguments)
    with llama_child(gguf, model=base, cache="Q4_0") as url:
        assert any("reference scores" in check for check in refused_by("--upstream", url, *known))


def test_a_pool_and_a_record_of_another_day_refuse_it_without_scores(demo: DemoFiles, tmp_path: Path) -> None:
    """Of a model without any score the first engine that passes sets the measure: for the next start, and for every
    other engine of the pool."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"models": {"own": without_scores()}}, allow_unicode=True), encoding="utf-8")
    known = ["--set", "model.id=own", "--set", "model.precision=f16", "--set", f"model.catalog={catalog}"]
    known += ["--set", "cache.disk=1000000", "--set", f"cache.folder={tmp_path / 'cache'}"]
    with llama_child(demo.gguf, model="own") as right, llama_child(demo.gguf, model="own", cache="Q4_0") as narrow:
        with bridge("--upstream", right, *known):
            pass
        assert refused_by("--upstream", narrow, *known) == ["stored vectors"]
        pool = ["--set", "engine.kind=openai", "--set", f"pool.upstreams=[{narrow}, {right}]"]
        with bridge(*pool, *known) as running:
            wait_until(
                lambda: [backend["state"] for backend in running.ready()["backends"]] == ["refused", "ready"],
                within=60,
                what="a verdict on both",
            )


def without_scores() -> dict[str, object]:
    """The demo model under another name, of which nothing is known but its golden texts and their tokens."""
    folder = resources.files("embedstack") / "modelfiles"
    entry = yaml.safe_load(folder.joinpath("catalog.yaml").read_text(encoding="utf-8"))["models"]["demo"]
    golden = yaml.safe_load(folder.joinpath("demo", "golden.yaml").read_text(encoding="utf-8"))
    changed = {"display": None, "names": [], "reference": {name: golden[name] for name in ("texts", "tokens")}}
    return {**entry, **changed}


@pytest.mark.needs("llama.cpp")
def test_llama_server_with_a_cache_of_four_bits_is_refused(random_fixture: RandomFixture) -> None:
    """By its own flags, as somebody would start it to save memory."""
    flags = ("--cache-type-k", "q4_0", "--cache-type-v", "q4_0", "--flash-attn", "on")
    known = ("--set", f"model.id={MODEL}", "--set", "model.precision=f16", *random_fixture.catalog_arguments)
    with llama_server(random_fixture.gguf, ctx=2048, batch=2048, args=flags) as engine:
        assert any("reference scores" in check for check in refused_by("--upstream", engine.url, *known))
