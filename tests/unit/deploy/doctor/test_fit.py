"""Whether a model fits a GPU: figures reckoned by hand from the catalogue's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from embedstack.deploy.doctor import memory
from embedstack.deploy.machine.gpu import Gpu
from embedstack.deploy.machine.memory import Memory
from embedstack.deploy.ollama.server import RunningModel
from embedstack.deploy.plan.decide import Fit, fit, needed
from tests.unit.deploy.doctor.stacks import CARD, GIB, planned, reported

Q4, F16 = 2_496_703_776, 8_049_889_824  # bytes of the 4B's files


@pytest.mark.parametrize(
    ("num_ctx", "flash_attention", "cache", "buffer"),
    [
        (8192, False, 1_207_959_552, 8_589_934_592),  # 147,456 x 8192; 32 heads x 8192 x 8192 x 4
        (4096, False, 603_979_776, 2_147_483_648),
        (2048, False, 301_989_888, 536_870_912),
        (8192, True, 1_207_959_552, 637_534_208),  # 2 x 9728 x 8192 x 4
    ],
)
def test_the_4b_needs_weights_cache_and_buffer(num_ctx: int, flash_attention: bool, cache: int, buffer: int) -> None:
    """The three are added, and without flash attention the buffer grows with the square of the context."""
    stack = planned()
    assert Q4 + cache + buffer == needed(stack.model, stack.file, num_ctx, flash_attention)


def _fit(vram: int, quantisation: str = "Q4_K_M", *, flash_attention: bool = False, num_ctx: int = 8192) -> Fit:
    stack = planned(quantisation=quantisation)
    return fit(stack.model, stack.file, vram, num_ctx, flash_attention)


@pytest.mark.parametrize(
    ("vram", "num_ctx", "fits"),
    [
        (12_294_597_920, 8192, True),
        (12_294_597_919, 4096, True),
        (5_248_167_200, 4096, True),
        (5_248_167_199, 2048, True),
        (3_335_564_576, 2048, True),
        (3_335_564_575, 2048, False),
    ],
)
def test_the_context_steps_down_at_the_byte(vram: int, num_ctx: int, fits: bool) -> None:
    """8192, 4096, 2048: the first that fits, and below the last one nothing does."""
    found = _fit(vram)
    assert ("Q4_K_M", num_ctx, fits) == (found.quantisation, found.num_ctx, found.fits)


def test_the_quantisation_steps_down_after_the_context() -> None:
    """f16 is tried down to 2048 before Q8_0 is tried at all, and that begins at 8192 again."""
    found = _fit(6 * GIB, "f16", flash_attention=True)

    tried = [(step.quantisation, step.num_ctx) for step in found.steps]
    assert tried == [("f16", 8192), ("f16", 4096), ("f16", 2048), ("Q8_0", 8192)]
    assert found.fits
    assert found.needed_bytes == 4_279_660_224 + 1_207_959_552 + 637_534_208


def test_a_context_of_ones_own_is_tried_first() -> None:
    """Steps above the wanted context are not taken."""
    assert [step.num_ctx for step in _fit(2_700_000_000, num_ctx=3000).steps if "Q4" in step.quantisation] == [
        3000,
        2048,
    ]


def _vram(free: int, loaded: int = 0, **given: Any) -> list[tuple[str, str]]:
    card = Gpu("nvidia", "a card", 24 * GIB, free)
    stack = planned(**given)
    return reported(memory.check_vram(stack, card, loaded=loaded, flash_attention=True))


def test_a_card_with_room_says_nothing() -> None:
    """23 GiB free hold the 4B."""
    assert reported(memory.check_vram(planned(), CARD, loaded=0, flash_attention=True)) == []


def test_less_context_that_fits_is_a_warning_that_names_it() -> None:
    """With 4 GB free the 4B fits at 4096 and not at 8192."""
    card = Gpu("nvidia", "a card", 8 * GIB, 4_000_000_000)
    (found,) = memory.check_vram(planned(), card, loaded=0, flash_attention=True)

    assert (found.id, found.severity) == ("VRAM-CONTEXT", "warning")
    assert "`--num-ctx 4096`" in found.next_step


def test_another_quantisation_is_a_blocker_that_names_it() -> None:
    """f16 on 6 GiB is stopped, and Q8_0 at 8192 is offered."""
    card = Gpu("nvidia", "a card", 8 * GIB, 6 * GIB)
    (found,) = memory.check_vram(planned(quantisation="f16"), card, loaded=0, flash_attention=True)

    assert (found.id, found.severity) == ("VRAM-SHORT", "blocker")
    assert "`--quantisation Q8_0 --num-ctx 8192` fits" in found.next_step


def test_what_is_loaded_already_counts_as_room() -> None:
    """A model that runs has the memory which it would otherwise lack."""
    assert _vram(1 * GIB) == [("VRAM-SHORT", "blocker")]
    assert _vram(1 * GIB, loaded=4 * GIB) == []


@pytest.mark.parametrize(
    "given",
    [{"given": {"engine": {"cpu": True}}}, {"managed": False, "url": "http://gpu-host:11434"}, {"kind": "embedded"}],
)
def test_memory_that_is_not_used_is_not_asked_for(given: dict[str, Any]) -> None:
    """Neither on the CPU nor for an engine on another machine."""
    assert _vram(1 * GIB, **given) == []


@pytest.mark.parametrize("model", ["qwen3-embedding:0.6b", "qwen3-embedding:8b"])
def test_every_size_is_reckoned(model: str) -> None:
    """The catalogue has the figures of each."""
    assert _vram(20 * GIB, model=model) == []


def test_a_figure_that_the_catalogue_lacks_is_reported() -> None:
    """A model of one's own without key/value heads: a note says that the reckoning is too low."""
    whole = planned(model="qwen3-embedding:8b")
    bare = msgspec.structs.replace(whole.model, kv_bytes_per_token=None, reasons={"kv_bytes_per_token": "not said"})
    stack = replace(whole, served=replace(whole.served, model=bare))

    (found,) = memory.check_vram(stack, CARD, loaded=0, flash_attention=True)

    assert (found.id, found.severity) == ("VRAM-UNKNOWN", "note")
    assert "the key/value cache" in found.evidence


@pytest.mark.parametrize(("total", "available", "severity"), [(4, 3, "blocker"), (16, 3, "warning"), (16, 12, None)])
def test_memory_of_the_machine(total: int, available: int, severity: str | None) -> None:
    """On the CPU the 4B and Open WebUI need some 5 GiB: never there is a blocker, not there now a warning."""
    found = reported(memory.check_ram(planned(), Memory(total * GIB, available * GIB), on_gpu=False, running=False))
    assert ([("MEMORY-SHORT", severity)] if severity else []) == found


def test_a_stack_that_runs_has_its_memory() -> None:
    """What it took is not asked for again."""
    assert reported(memory.check_ram(planned(), Memory(4 * GIB, GIB), on_gpu=False, running=True)) == []


@pytest.mark.parametrize(
    ("loaded", "seen"),
    [
        ([RunningModel("demo:latest", 5, 5)], True),
        ([RunningModel("demo:latest", 5, 5, 8192)], True),
        ([RunningModel("demo:latest", 5, 5, 4096)], False),
        ([RunningModel("demo:latest", 5, 4, 8192), RunningModel("other", 5, 5, 8192)], False),
    ],
)
def test_a_model_that_is_on_the_gpu_is_not_reckoned(loaded: list[RunningModel], seen: bool) -> None:
    """All of it is seen there; a part of it is not enough, and neither is another's, or less context than is set."""
    assert memory.on_gpu_whole("demo", 8192, loaded) is seen
