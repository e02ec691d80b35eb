"""`embedstack smoke` against real servers, and against bridges that are wrong in one way each."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused, InvalidModel, SmokeFailed
from embedstack.deploy.smoke import run
from embedstack.deploy.smoke.proof import proof
from embedstack.deploy.smoke.result import Smoke
from embedstack.deploy.smoke.run import SmokeTarget
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.engines.process import free_port
from tests.stacks import Stacks
from tests.upstreams import wrong_bridge as wrongs
from tests.upstreams.llama import llama_child
from tests.upstreams.server import Connection, Request, serve
from tests.upstreams.wrong_bridge import Wrong, wrong_bridge

SCORES = {f"scores at {size}" for size in (2560, 1024, 256, 32)}
CUTS = {"cut to 32", "cut to 1024"}
VECTORS = {"dimensions", "unit norm", "token counts", "single = batch", "right document first", *CUTS, *SCORES}
ROLES = {"roles differ", "query prompt"}
BRIDGE_ALONE = {"ready", "cut out of range", *ROLES}
EVERY = VECTORS | BRIDGE_ALONE | {"version", "model"}
KEY = "smoke-test-key"


@pytest.fixture(scope="module")
def cached(demo: DemoFiles) -> Iterator[Bridge]:
    """A bridge that remembers what it has embedded: the same texts come again for each wrong one."""
    with bridge(
        "--gguf", str(demo.gguf), "--set", "model.id=demo", "--set", "engine.threads=1", cached=True
    ) as running:
        yield running


def smoked(url: str, model: str = "demo", key: str | None = None, *, paced: bool = False) -> Smoke:
    return run.run(SmokeTarget(url, model, key), Report("smoke", as_json=True), paced=paced)


def failed(found: Smoke) -> set[str]:
    return {check.name for check in found.failed}


def test_a_right_bridge_passes_every_check(engine: str, stacks: Stacks) -> None:
    """Whatever engine is behind it: nothing fails, nothing is left out, and its pace is reported."""
    found = smoked(stacks[engine].bridge.url, paced=True)

    assert found.passed, found.failed
    assert {check.name for check in found.checks if check.passed} == EVERY
    assert found.latency_ms is not None
    assert found.texts_per_second is not None
    assert found.latency_ms > 0
    assert found.texts_per_second > 0
    run.require(found)


FAULTS = {
    "twice_as_long": {"unit norm"} | CUTS,
    "not_a_number": VECTORS - {"dimensions", "token counts"} | ROLES,
    "other_weights": {"scores at 2560", "scores at 1024", "scores at 256"},
    "no_end_of_text": {"token counts"},
    "tokens_not_counted": {"token counts"},
    "batch_mixed_up": {"single = batch"} | CUTS,
    "dimensions_ignored": {"cut out of range"} | CUTS,
    "dimensions_clamped": {"cut out of range"},
    "cut_not_renormalised": CUTS,
    "roles_ignored": ROLES,
    "other_prompt": {"query prompt"},
    "other_model": {"model"},
    "engine_out": {"ready"},
    "no_version": {"version"},
    "refuses": VECTORS | ROLES | {"cut out of range"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_bridge_fails_just_the_checks_that_see_it(name: str, cached: Bridge) -> None:
    """Each check is failed by a bridge that is wrong in that way, and by no other fault than its own."""
    wrong: Wrong = getattr(wrongs, name)
    with wrong_bridge(cached.url, wrong) as url:
        found = smoked(url)

    assert not found.passed
    assert failed(found) == FAULTS[name]
    with pytest.raises(SmokeFailed, match="is not right"):
        run.require(found)


def test_another_size_is_reported_with_what_must_be(cached: Bridge) -> None:
    """A model of 1024 dimensions behind the name of one of 2560."""
    with wrong_bridge(cached.url, wrongs.other_size) as url:
        found = smoked(url)

    fields = {check.name: check for check in found.failed}
    assert (fields["dimensions"].value, fields["dimensions"].must) == ("1024", "2560")


def test_every_check_is_failed_by_some_fault() -> None:
    """No check is there for show; `dimensions` has a test of its own."""
    assert set().union(*FAULTS.values()) | {"dimensions"} == EVERY


@pytest.mark.needs("ollama")
def test_a_bare_ollama_is_checked_as_far_as_it_can_pass(stacks: Stacks) -> None:
    """What only the bridge offers is named and does not fail; all else is held against it."""
    found = smoked(stacks.upstream("ollama").url, paced=True)

    assert found.passed, found.failed
    assert {check.name for check in found.checks if check.passed is None} == BRIDGE_ALONE
    assert {check.name for check in found.checks if check.passed} == EVERY - BRIDGE_ALONE


def test_a_bare_openai_server_is_checked_as_far_as_it_can_pass(demo: DemoFiles) -> None:
    """llama.cpp's server cuts no vector, so that its cuts are not offered either."""
    with llama_child(demo.gguf, model="demo") as url:
        found = smoked(url)

    assert found.passed, found.failed
    assert {check.name for check in found.checks if check.passed is None} == BRIDGE_ALONE | CUTS
    assert {check.name for check in found.checks if check.passed} == EVERY - BRIDGE_ALONE - CUTS


def test_a_key_is_sent_and_its_lack_fails(demo: DemoFiles) -> None:
    """Against a bridge that asks for one."""
    settings = ("--set", "model.id=demo", "--set", "engine.threads=1", "--set", f"security.api_keys=[{KEY}]")
    with bridge("--gguf", str(demo.gguf), *settings, cached=True) as running:
        assert smoked(running.url, key=KEY).passed
        without = smoked(running.url)

    assert not without.passed
    assert any("401" in check.value for check in without.failed)
    assert KEY not in repr(without)


def test_a_model_that_is_not_served_is_named(cached: Bridge) -> None:
    """A bridge with another model than the one asked for: its own refusal is reported."""
    found = smoked(cached.url, "qwen3-embedding:4b")

    assert {"model", "dimensions"} <= failed(found)
    assert any("404" in check.value for check in found.failed)


def test_a_model_that_the_catalogue_does_not_know_is_refused(cached: Bridge) -> None:
    """There is nothing to check it by."""
    with pytest.raises(InvalidModel, match="no model 'nomic'"):
        smoked(cached.url, "nomic")


def test_nobody_at_the_address_is_said() -> None:
    """With the address."""
    port = free_port()

    with pytest.raises(BridgeRefused, match=f"{port} gave no answer"):
        smoked(f"http://127.0.0.1:{port}")


def test_another_kind_of_server_is_said() -> None:
    """A web page is not a bridge."""

    async def page(_: Request, connection: Connection) -> None:
        await connection.answer(200, b"<html></html>", "text/html")

    with serve(page) as url, pytest.raises(BridgeRefused, match="neither a bridge nor Ollama"):
        smoked(url)


def test_junit_tells_what_failed(cached: Bridge, tmp_path: Path) -> None:
    """A case a check, a failure where one failed, in a file that an XML parser reads."""
    file = tmp_path / "reports" / "smoke.xml"
    with wrong_bridge(cached.url, wrongs.no_end_of_text) as url:
        run.write_junit(smoked(url), file)

    suite = ET.parse(file).getroot()  # noqa: S314 -- our own
    assert {case.get("name") for case in suite.iter("testcase")} == EVERY
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["token counts"]
    assert suite.get("failures") == "1"


def test_the_proof_is_one_call(engine: str, stacks: Stacks) -> None:
    """How many numbers, of which length, and the first of them."""
    reported = proof(stacks[engine].bridge.url, "demo")

    vector = stacks[engine].bridge.embed(reported.text)[0]
    assert reported.dimensions == 2560
    assert abs(reported.norm - 1) < 1e-4
    assert np.allclose(reported.first, vector[:4], atol=1e-4)
    assert "2560 numbers of norm 1.0000" in reported.__rich__().plain
