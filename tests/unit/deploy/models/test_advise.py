"""Which model is advised for which machine, and what is said of it: figures by hand from the catalogue's."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.machine.memory import Memory
from embedstack.deploy.models import advise
from embedstack.deploy.models.advise import FreeMemory, ModelAdvice
from embedstack.deploy.models.speed import SeenSpeed
from embedstack.models import catalog

GB = 1_000_000_000
SMALL = 639_150_592 + 114_688 * 8192 + 2 * 3072 * 8192 * 4  # the 0.6B at Q8_0
FOUR = 2_496_703_776 + 147_456 * 8192 + 2 * 9728 * 8192 * 4  # the 4B at Q4_K_M
WIDE = FOUR - 2_496_703_776 + 4_279_660_224  # the 4B at Q8_0
CARD = Gpu("nvidia", "a card", 24 * GB, 23 * GB)


def _advice(gpu: int | None, memory: int, pace: SeenSpeed | None = None, **more: Any) -> ModelAdvice:
    seen = Memory(64 * GB, memory)
    return advise.decide(catalog.load(), FreeMemory(gpu, memory), pace, CARD if gpu else None, seen, **more)


def _multiplied(tokens_per_second: float) -> SeenSpeed:
    """What a model of 4 thousand million parameters would do on the processor."""
    return SeenSpeed(tokens_per_second, 4_021_774_336, "a test", False)


@pytest.mark.parametrize(
    ("gpu", "memory", "model", "precision"),
    [
        (23 * GB, 60 * GB, "qwen3-embedding:4b", "Q8_0"),
        (2 * WIDE, 60 * GB, "qwen3-embedding:4b", "Q8_0"),
        (2 * WIDE - 1, 60 * GB, "qwen3-embedding:4b", "Q4_K_M"),
        (FOUR, 60 * GB, "qwen3-embedding:4b", "Q4_K_M"),
        (FOUR - 1, 60 * GB, "qwen3-embedding:0.6b", "Q8_0"),
        (1 * GB, 60 * GB, "qwen3-embedding:0.6b", "Q8_0"),
        (None, SMALL, "qwen3-embedding:0.6b", "Q8_0"),
        (None, SMALL - 1, None, None),
    ],
)
def test_by_memory(gpu: int | None, memory: int, model: str | None, precision: str | None) -> None:
    """On a GPU the 4B where it fits, at Q8_0 where half of the room is left; without one the smallest, while nobody
    knows how fast it is; and nothing where not even that fits, with exit status 3.
    """
    found = _advice(gpu, memory)

    assert (model, precision) == (found.model, found.precision)
    assert found.exit_code == (0 if model else 3)


@pytest.mark.parametrize(
    ("rate", "model", "reason"),
    [
        (100.0, "qwen3-embedding:4b", "computes 1.9 times as much"),
        (99.9, "qwen3-embedding:0.6b", "would do some 99.9 tokens a second here; 100 are wanted"),
        (1.0, "qwen3-embedding:0.6b", "a chunk of 250 tokens takes some 37 s"),
    ],
)
def test_by_speed_on_a_processor(rate: float, model: str, reason: str) -> None:
    """The 4B only where it does a chunk in two and a half seconds; of a smaller one that is slow, it is said."""
    found = _advice(None, 60 * GB, _multiplied(rate))

    if model == "qwen3-embedding:4b":
        assert (found.model, found.precision) == (model, "Q8_0")
        assert "qwen3-embedding:8b (70.58 on MMTEB, against 69.45) would do some 53.1" in " ".join(found.reasons)
    else:
        assert model == found.model
        assert reason in " ".join(found.reasons)


def test_a_speed_is_measured_for_one_file_and_estimated_for_the_others() -> None:
    """By the number of parameters; unknown on a GPU where the processor was measured, and the other way round."""
    seen = SeenSpeed(50.0, 4_021_774_336, "a test", False, ("qwen3-embedding:4b", "Q4_K_M"))
    rows = {(file.model, file.precision): file for file in _advice(None, 60 * GB, seen).files}
    here, other = rows["qwen3-embedding:4b", "Q4_K_M"], rows["qwen3-embedding:0.6b", "Q8_0"]

    assert (here.tokens_per_second, here.speed) == (50.0, "measured")
    assert (other.tokens_per_second, other.speed) == (pytest.approx(50 * 4_021_774_336 / 595_776_512), "estimated")
    assert {file.speed for file in _advice(60 * GB, 60 * GB, seen).files} == {"unknown"}


def test_what_overflows_or_cannot_be_had_is_no_choice() -> None:
    """The 8B in f16, files of unknown size, and the stand-in are not in the table."""
    rows = {(file.model, file.precision) for file in _advice(60 * GB, 60 * GB).files}

    assert ("qwen3-embedding:8b", "Q4_K_M") in rows
    assert not {("qwen3-embedding:8b", "f16"), ("qwen3-embedding:4b", "Q5_0"), ("demo", "f16")} & rows


def test_a_context_of_ones_own_counts() -> None:
    """With 2,048 tokens what did not fit at 8,192 does."""
    assert _advice(FOUR - 1, 60 * GB, num_ctx=2048).model == "qwen3-embedding:4b"


def test_what_people_see() -> None:
    """The choice, its reasons, the command, every file with its speed, and the chat model that fits beside."""
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(_advice(23 * GB, 60 * GB))
    text = " ".join(captured.get().split())

    assert "qwen3-embedding:4b at Q8_0 - a card has 23.0 GB of 24.0 GB for it" in text
    assert "embedstack up --model qwen3-embedding:4b --quantisation Q8_0" in text
    assert "qwen3-embedding:8b Q4_K_M 4.7 GB 6.7 GB on the GPU ?" in text
    assert "nothing was measured; " in text
    assert "room for the chat model qwen3:14b" in text
