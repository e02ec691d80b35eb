"""Throughput by length, as it is measured on a GPU's runner each night. CI runs it with the demo model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embedstack.deploy.smoke.pace import LENGTHS, MOST_TEXTS, throughput
from embedstack.deploy.smoke.server import EmbeddingServer


def test_the_lengths_are_those_that_are_published() -> None:
    """128, 512 and 2,048 tokens."""
    assert LENGTHS == (128, 512, 2048)


@pytest.mark.parametrize("length", LENGTHS)
def test_it_is_measured_at_the_length_that_it_says(
    length: int, server: EmbeddingServer, record_property: Callable[[str, object], None]
) -> None:
    """Within a twentieth, by the server's own count; the figures go into the JUnit report."""
    found = throughput(server, length)
    record_property(f"tokens_per_second_at_{length}", round(found.tokens_per_second, 1))

    assert found.tokens == pytest.approx(length, rel=0.05)
    assert 1 <= found.texts <= MOST_TEXTS
    assert found.tokens_per_second == pytest.approx(found.texts_per_second * found.tokens)
    assert found.tokens_per_second > 0
