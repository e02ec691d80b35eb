"""What a bridge answers on its own routes, as it is written and as it is read."""

from __future__ import annotations

import pytest

from embedstack.contract import wire
from embedstack.contract.answers import CacheStats, DiskStats, EngineCheck, EngineReadiness, Readiness, is_bridge

STARTING = EngineReadiness(
    "ollama", ready=False, state="starting", checks=(EngineCheck("cosine", ok=True, detail="1"),)
)
READY = EngineReadiness(
    name="ollama",
    ready=True,
    state="ready",
    engine="ollama",
    version="0.34.4",
    engine_model="m",
    concurrency=1,
    in_flight=0,
)


def test_what_is_not_known_yet_is_left_out_and_what_is_not_there_is_null() -> None:
    """An engine that has not been reached has no version; one that is well has a reason, which is null."""
    said = wire.plain(Readiness(ready=False, model="demo", precision="f16", backends=(STARTING, READY)))

    assert list(said) == ["ready", "model", "precision", "fingerprint", "note", "backends"]
    assert said["fingerprint"] is None
    starting, ready = said["backends"]
    assert starting == {
        "name": "ollama",
        "ready": False,
        "state": "starting",
        "reason": None,
        "next": None,
        "checks": [{"check": "cosine", "ok": True, "detail": "1"}],
    }
    assert list(ready)[6:] == ["engine", "version", "engine_model", "concurrency", "in_flight"]
    assert (ready["checks"], ready["in_flight"]) == ((), 0)


@pytest.mark.parametrize("disk", [None, DiskStats("/c", "on", "", 1, 2, 3, 4, 5, 6, 7)])
def test_what_is_written_is_read_again(disk: DiskStats | None) -> None:
    """With a part inside and without."""
    stats = CacheStats(1, 2, 3, disk)
    assert wire.read(CacheStats, wire.plain(stats)) == stats


def test_of_another_release_what_is_needed_is_enough() -> None:
    """An older bridge says less of itself, a newer one more."""
    said = {"backends": [{"name": "a", "ready": True, "mood": "fine"}], "uptime": 7}

    assert wire.read(Readiness, said).backends == (EngineReadiness("a", ready=True),)


@pytest.mark.parametrize(
    ("said", "problem"),
    [({}, "missing required field `backends`"), ({"backends": 1}, r"\$\.backends"), (None, "Expected `object`")],
)
def test_what_is_no_such_answer_is_refused(said: object, problem: str) -> None:
    """With the place in it."""
    with pytest.raises(ValueError, match=problem):
        wire.read(Readiness, said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"version": "0.34.4", "bridge": "0.1.0"}, True),
        ({"ready": False, "backends": []}, True),
        ({"version": "0.34.4"}, False),
        (["bridge"], False),
        (None, False),
    ],
)
def test_a_bridge_is_known_by_what_only_it_says(said: object, expected: bool) -> None:
    """It answers where an Ollama would, and tells its own version beside the engine's."""
    assert expected == is_bridge(said)
