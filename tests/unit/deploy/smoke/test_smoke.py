"""What a smoke test tells: on a terminal, as JSON, as JUnit; and which precision it judges by."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from embedstack.deploy import console as result
from embedstack.deploy import record, secrets
from embedstack.deploy.cli.app import app
from embedstack.deploy.cli.bridge import BRIDGE_URL
from embedstack.deploy.errors import FolderNotUsable, InvalidModel
from embedstack.deploy.places import places
from embedstack.deploy.smoke import run, verdicts
from embedstack.deploy.smoke.pace import Throughput
from embedstack.deploy.smoke.result import Check, Smoke
from embedstack.deploy.smoke.run import SmokeTarget, junit
from embedstack.models.catalog import WrongCatalog
from tests.unit.deploy.test_record import KNOWN
from tests.unit.embedstack.models.test_own_catalog import tiny

GOOD = Check("unit norm", True, "1, off by 1.0e-07 at most", "1", 0.25)
BAD = Check("token counts", False, "text 0: 26, not 27", "27 tokens, end-of-text once", 0.5)
NOT_OFFERED = Check("roles differ", None, "not offered here: Ollama, not the bridge", "", 0.0)


def smoke_of(*checks: Check) -> Smoke:
    return Smoke("http://127.0.0.1:11435", "demo", checks, 7.25, 130.0)


def shown(found: Smoke) -> str:
    console = Console(width=100)
    with console.capture() as caught:
        console.print(found)
    return caught.get()


def test_what_failed_is_shown_with_what_must_be() -> None:
    """A person sees each check, and at a failed one also what was wanted."""
    reported = shown(smoke_of(GOOD, BAD, NOT_OFFERED))

    assert "✓ unit norm" in reported
    assert "✗ token counts  text 0: 26, not 27" in reported
    assert "must be: 27 tokens, end-of-text once" in reported
    assert "- roles differ" in reported
    assert "7.2 ms a text alone, 130.0 texts/s" in reported
    assert "1 of 3 checks failed." in reported


@pytest.mark.parametrize(("checks", "passed"), [((GOOD, NOT_OFFERED), True), ((GOOD, BAD), False), ((), False)])
def test_it_passes_when_something_passed_and_nothing_failed(checks: tuple[Check, ...], passed: bool) -> None:
    """What is not offered neither passes nor fails."""
    assert smoke_of(*checks).passed is passed
    assert json.loads(result.success("smoke", smoke_of(*checks)))["data"]["passed"] is passed


def test_nothing_but_what_is_not_offered_is_no_pass() -> None:
    """A server of which nothing could be asked is not right."""
    assert not smoke_of(NOT_OFFERED).passed


def test_junit_has_a_case_for_each_check() -> None:
    """Failures, skips and times where CI looks for them; the pace as properties."""
    suite = ET.fromstring(junit(smoke_of(GOOD, BAD, NOT_OFFERED)))  # noqa: S314 -- our own

    assert tuple(suite.get(name) for name in ("tests", "failures", "skipped", "time")) == ("3", "1", "1", "0.750")
    failures = [case.find("failure") for case in suite.iter("testcase")]
    assert [failure is not None for failure in failures] == [False, True, False]
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["texts_per_second"] == "130.0"


def test_throughput_is_reported_by_length() -> None:
    """To people, to scripts and to CI, where it was asked for."""
    found = Smoke("http://127.0.0.1:11435", "demo", (GOOD,), 7.25, 130.0, (Throughput(512, 510.5, 32, 40.0, 20420.0),))
    suite = ET.fromstring(junit(found))  # noqa: S314 -- our own

    assert "at 512 tokens  20,420 tokens/s, 40.0 texts/s of 510 tokens each" in shown(found)
    assert json.loads(result.success("smoke", found))["data"]["throughput"][0]["length"] == 512
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["tokens_per_second_at_512"] == "20420.0"


def test_junit_holds_whatever_a_server_said() -> None:
    """Control characters and lone surrogates are not allowed in XML at all."""
    bad = Check("answer", False, "said \x00 \x1b[31m <&> \ud800 \U0001f600", "words", 0.0)

    failure = ET.fromstring(junit(smoke_of(bad))).find("testcase/failure")  # noqa: S314 -- our own

    assert failure is not None
    assert failure.get("message") == "said � �[31m <&> � \U0001f600; must be: words"


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the file's name."""
    (tmp_path / "taken").touch()

    with pytest.raises(FolderNotUsable, match="taken"):
        run.write_junit(smoke_of(GOOD), tmp_path / "taken" / "smoke.xml")


@pytest.mark.parametrize(
    ("name", "said", "precision"),
    [
        ("qwen3-embedding:4b", None, "Q4_K_M"),
        ("qwen3-embedding:4b", "Q8_0", "Q8_0"),
        ("qwen3-embedding:4b-q8_0", None, "Q8_0"),
        ("qwen3-embedding:4b-bf16", None, "bf16"),
        ("qwen3-embedding:4b@query,1024", "F16", "f16"),
        ("demo", "IQ1_S", "IQ1_S"),
    ],
)
def test_the_precision_is_the_servers_else_the_names(name: str, said: str | None, precision: str) -> None:
    """What neither says is the model's default."""
    assert run._precision(run._known(name), said) == precision


def test_a_catalogue_of_ones_own_is_known(tmp_path: Path) -> None:
    """Its models are found by name; one that cannot be read is reported."""
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(tiny()))

    assert run._known("tiny", own).model.dimensions == 256
    with pytest.raises(InvalidModel):
        run._known("tiny")
    own.write_text("models: [")
    with pytest.raises(WrongCatalog, match=r"own\.yaml"):
        run._known("tiny", own)


def test_the_command_takes_the_catalogue_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every verb about models does."""
    asked: list[Path | None] = []

    def known(target: SmokeTarget, *_: object, **__: object) -> Smoke:
        asked.append(target.own)
        return smoke_of(GOOD)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run", known)
    outcome = CliRunner().invoke(app, ["smoke", "--set", f"model.catalog={tmp_path / 'own.yaml'}"])

    assert (outcome.exit_code, asked) == (0, [tmp_path / "own.yaml"])


def test_throughput_is_measured_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the three lengths; it takes long on a processor, so it is not done unasked."""
    asked: list[tuple[int, ...]] = []

    def known(*_: object, lengths: tuple[int, ...], **__: object) -> Smoke:
        asked.append(lengths)
        return smoke_of(GOOD)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "run", known)
    for words in (["smoke"], ["smoke", "--throughput"]):
        assert CliRunner().invoke(app, words).exit_code == 0

    assert asked == [(), (128, 512, 2048)]


def test_scores_of_the_real_weights_are_known_at_every_precision_that_is_served() -> None:
    """The published matrix is what a GPU runner's 4B is held against."""
    reference = run._known("qwen3-embedding:4b").model.reference

    assert reference is not None
    for precision in ("Q4_K_M", "Q8_0", "bf16"):
        assert [s.dimensions for s in reference.scores_for(precision)] == [2560]


def test_nan_passes_no_verdict() -> None:
    """Whatever is compared with it."""
    broken, good = np.full((2, 64), np.nan, dtype=np.float32), np.eye(2, 64, dtype=np.float32)

    assert not verdicts.norm(broken).passed
    assert not verdicts.same(broken, good).passed
    assert not verdicts.differ(broken, good).passed
    assert not verdicts.cut_of(broken, broken[:, :32], 32).passed


def test_a_zero_vector_is_like_nothing() -> None:
    """Ollama answers zeros where the engine computed NaN."""
    zero, good = np.zeros((1, 64), dtype=np.float32), np.eye(1, 64, dtype=np.float32)

    assert not verdicts.same(zero, zero).passed
    assert not verdicts.same(zero, good).passed
    assert not verdicts.norm(zero).passed


@pytest.mark.parametrize(
    ("words", "url", "keyed"),
    [
        ([], "http://127.0.0.1:4711", True),
        (["--url", "http://127.0.0.1:4711/"], "http://127.0.0.1:4711", True),
        (["--url", "http://other:11435"], "http://other:11435", False),
        (["--stack", "none"], BRIDGE_URL, False),
    ],
    ids=["the stack's", "the stack's, named", "another", "no stack"],
)
def test_the_stacks_own_bridge_is_asked_with_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], url: str, keyed: bool
) -> None:
    """After `up --expose all` it answers to nobody without one; no other bridge is ever sent it."""
    asked: list[tuple[object, ...]] = []

    def known(target: SmokeTarget, *_: object, **__: object) -> Smoke:
        asked.append((target.url, target.key))
        return smoke_of(GOOD)

    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "EMBEDSTACK_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(run, "run", known)
    where = places("embedstack")
    record.write(where, replace(KNOWN, stack="embedstack", bridge_url="http://127.0.0.1:4711"))
    key = secrets.ensure(where, lambda _: None).bridge_admin_key

    CliRunner().invoke(app, ["smoke", *words])

    assert asked == [(url, key if keyed else None)]
