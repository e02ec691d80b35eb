"""The bridge that most of these tests talk to."""

import pytest

from tests.bridge_process import Bridge
from tests.stacks import EMBEDDED, Stack, Stacks


@pytest.fixture(scope="session")
def bridge(stacks: Stacks) -> Bridge:
    """A bridge with the embedded engine and the demo model."""
    return stacks[EMBEDDED].bridge


@pytest.fixture
def stack(stacks: Stacks, engine: str) -> Stack:
    """Every engine under test in turn, with a bridge before it."""
    return stacks[engine]
