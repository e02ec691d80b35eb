"""What an `up` is at, for anyone who asks meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from embedstack.deploy.console import Report
from embedstack.deploy.places import Places
from embedstack.deploy.stack import going
from embedstack.deploy.stack.result import Status
from embedstack.deploy.stack.steps import Steps
from tests.unit.deploy.doctor.stacks import planned


def test_each_step_can_be_read_until_the_end(tmp_path: Path) -> None:
    """Also where it ends by a failure: then none goes on."""
    where = Places(tmp_path).create()
    steps = Steps(Report("up", as_json=True))

    with pytest.raises(RuntimeError), going.recorded(where, planned()) as telling:  # noqa: PT012 -- a step that fails
        steps.at = telling.step
        with steps.step("model file"):
            found = going.read(where)
            assert found is not None
            assert (found.step, found.model, found.mode) == ("model file", "qwen3-embedding:4b", "native")
        with steps.step("bridge"):
            found = going.read(where)
            assert found is not None
            assert found.step == "bridge"
            raise RuntimeError

    assert going.read(where) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"step": 1}'])
def test_what_makes_no_sense_is_none(tmp_path: Path, content: bytes) -> None:
    """It is made again by the next `up`, and nothing depends on it."""
    where = Places(tmp_path).create()
    where.going.write_bytes(content)

    assert going.read(where) is None


def test_one_that_was_killed_is_none(tmp_path: Path) -> None:
    """Its file is left, and no process is the one that it names."""
    where = Places(tmp_path).create()
    with going.recorded(where, planned()) as telling:
        telling.step("bridge")
        left = where.going.read_bytes()
    where.going.write_bytes(left.replace(b'"created":', b'"created":1'))

    assert going.read(where) is None


def test_a_person_reads_the_step_and_for_how_long(tmp_path: Path) -> None:
    """And whose process it is."""
    where = Places(tmp_path).create()
    with going.recorded(where, planned()) as telling:
        telling.step("bridge")
        console = Console(width=120, color_system=None)
        with console.capture() as captured:
            console.print(Status("embedstack", "native", "demo", (), 4, going.read(where)))

    assert "`up` goes on: bridge, for 0 s (process " in captured.get()
    assert "does not run" not in captured.get()


def test_a_person_reads_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of those that are expected, and the time for the rest at the rate so far; the next step has neither."""
    monkeypatch.setattr(going, "EVERY", 0.0)
    where = Places(tmp_path).create()
    report = Report("up", as_json=True)
    with going.recorded(where, planned()) as telling:
        report.heard = telling.moved
        telling.step("Open WebUI's environment")
        with report.transfer("Open WebUI 9.9.9", 7_000_000_000) as transfer:
            transfer.at(1_000_000_000)
            found = going.read(where)
        telling.step("bridge")
        after = going.read(where)

    assert found is not None
    assert found.moved is not None
    assert (found.moved.what, found.moved.done, found.moved.total) == ("Open WebUI 9.9.9", 1_000_000_000, 7_000_000_000)
    assert after is not None
    assert after.moved is None
    minute_ago = replace(found, moved=replace(found.moved, since=time.time() - 60))
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(Status("embedstack", "native", "demo", (), 4, minute_ago))
    assert "Open WebUI 9.9.9: 1,000 of 7,000 MB, about 6 min left" in captured.get()


def test_what_is_reported_often_is_written_now_and_then(tmp_path: Path) -> None:
    """A download tells each block; the disk gets one a second."""
    where = Places(tmp_path).create()
    with going.recorded(where, planned()) as telling:
        telling.step("model file")
        for done in range(1000):
            telling.moved("model.gguf", done, 1000)
        found = going.read(where)

    assert found is not None
    assert found.moved is None or found.moved.done < 999
