"""Which chat model is proposed for the memory that is left."""

from __future__ import annotations

import pytest

from embedstack.deploy.models import chat

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("room", "on_gpu", "name"),
    [
        (991_762_047, False, None),  # 522 MB and 4096 x 114,688, but for one byte
        (991_762_048, False, "qwen3:0.6b"),
        (4 * GB, False, "qwen3:4b"),
        (64 * GB, False, "qwen3:4b"),
        (8 * GB, True, "qwen3:8b"),
        (64 * GB, True, "qwen3:32b"),
        (-1, True, None),
    ],
)
def test_the_largest_that_fits(room: int, on_gpu: bool, name: str | None) -> None:
    """File and context within the room; on a processor none that would be slow, however much memory there is."""
    found = chat.propose(room, on_gpu=on_gpu)

    assert name == (found.name if found else None)


def test_the_smallest_stands_first() -> None:
    """The order in which they are named, and each of them with a context."""
    known = chat.known()

    assert list(known) == sorted(known, key=lambda model: model.needed)
    assert all(model.bytes < model.needed for model in known)
