"""`embedstack demo`: the first thing that a person sees."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.cli.app import app
from embedstack.deploy.demo import command as demo_command
from embedstack.deploy.demo.child import BridgeChild, demo_bridge
from embedstack.deploy.demo.command import Guided, Question, ask, handbook
from embedstack.deploy.errors import BridgeNotReady, BridgeRefused
from embedstack.deploy.machine import ports
from tests.bridge_process import Bridge

EMBEDSTACK = str(Path(sys.executable).with_name("embedstack"))


@pytest.fixture(scope="module")
def guided(bridge: Bridge) -> Guided:
    """The demo's own question, put to a bridge once."""
    return ask(BridgeClient(bridge.url), "demo", Question("公司年假政策有哪些?", "holiday"), handbook())


def test_the_holiday_paragraph_is_first_at_every_dimension(guided: Guided) -> None:
    """At 2560, 1024, 256 and 32 dimensions, with the instruction; every paragraph is in the ranking."""
    assert guided.right
    assert guided.ranking[0].id == "holiday"
    assert sorted(scored.id for scored in guided.ranking) == sorted(passage.id for passage in handbook())


def test_the_scores_are_cosines_that_know_the_instruction(guided: Guided) -> None:
    """Unit vectors at each dimension, so scores within 1; the instruction is part of the text, so they differ by it."""
    scores = [score for s in guided.ranking for score in (*s.instructed.values(), *s.plain.values())]

    assert max(map(abs, scores)) <= 1
    assert guided.ranking[0].instructed != guided.ranking[0].plain


def test_the_question_is_shown_as_the_engine_gets_it(guided: Guided) -> None:
    """Qwen's own format, byte for byte."""
    task = "Given a web search query, retrieve relevant passages that answer the query"

    assert guided.rendered == f"Instruct: {task}\nQuery:公司年假政策有哪些?"


def test_a_refusal_of_the_bridge_is_reported_with_its_words(bridge: Bridge) -> None:
    """What the bridge answers is part of the error, so that it can be acted on."""
    with pytest.raises(BridgeRefused, match=r"404 to /api/embed: .*no-such-model"):
        BridgeClient(bridge.url).embed(["x"], model="no-such-model", dimensions=32)


def test_a_wrong_ranking_fails_the_demo(bridge: Bridge, guided: Guided, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another paragraph comes first, the demo says which and exits with 1."""

    @contextmanager
    def running(_: int) -> Iterator[BridgeChild]:
        with subprocess.Popen(["/bin/true"]) as process:
            yield BridgeChild(process, bridge.log, BridgeClient(bridge.url))

    monkeypatch.setattr(demo_command, "demo_bridge", running)
    monkeypatch.setattr(demo_command, "ask", lambda *_: replace(guided, answer="vpn"))
    outcome = CliRunner().invoke(app, ["demo", "--once", "--json"])

    error = json.loads(outcome.stdout)["error"]
    assert (outcome.exit_code, error["code"]) == (1, "wrong_ranking")
    assert "`vpn`" in error["message"]
    assert "first came `holiday` at 2560" in error["message"]


def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    """The ranking, then a bridge that answers the curl line it shows; Ctrl-C ends both, and the port is free again."""
    port = ports.free_port()
    # A configuration that is meant for another bridge, in the environment and in the folder: the demo takes neither.
    (tmp_path / "embed-bridge.yaml").write_text("security: {api_keys: [secret]}\n")
    strange = {**os.environ, "EMBED_BRIDGE_SECURITY_API_KEYS": "secret", "HTTP_PROXY": "http://127.0.0.1:9"}
    demo = subprocess.Popen(
        [EMBEDSTACK, "demo", "--port", str(port)],
        cwd=tmp_path,
        env=strange,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        reported = _until(demo, "curl ")
        curl = shlex.split(reported[-1])
        body = curl[curl.index("-d") + 1]
        answer = requests.post(f"http://{curl[1]}", data=body, timeout=30)
        second = subprocess.run([EMBEDSTACK, "demo", "--port", str(port), "--json"], capture_output=True, check=False)
        demo.send_signal(signal.SIGINT)
        _, log = demo.communicate(timeout=30)
    finally:
        demo.kill()
        demo.wait()

    assert [len(vector) for vector in answer.json()["embeddings"]] == [32]
    assert reported[reported.index(next(line for line in reported if "paragraph" in line)) + 1].startswith(
        "员工每年享有十五天带薪休假"
    )
    refusal = json.loads(second.stdout)["error"]
    assert (second.returncode, refusal["code"]) == (3, "port_taken")
    assert "-m embedstack.bridge (process " in refusal["message"]
    assert (demo.returncode, log.splitlines()[-1]) == (0, "Stopped.")
    ports.ensure_free(port, "")


def _until(process: subprocess.Popen[str], sign: str) -> list[str]:
    """Its lines up to the one with `sign`; the end of the stream ends the wait."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.strip())
        if sign in line:
            return lines
    raise AssertionError("\n".join(lines))


def test_a_bridge_that_ends_by_itself_is_an_error() -> None:
    """A bridge that is killed is reported with its status, and does not leave the demo waiting."""
    with demo_bridge(ports.free_port()) as child:
        child.process.kill()
        with pytest.raises(BridgeNotReady, match=r"ended with status -9"):
            child.wait()
