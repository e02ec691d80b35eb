"""The bridge that most of these tests talk to."""

from collections.abc import Iterator

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


@pytest.fixture(scope="module", autouse=True)
def shared_bridges_are_left_as_they_were(stacks: Stacks) -> Iterator[None]:
    """A module that changes the bridge of all is named here, not the ones after it."""
    yield
    assert stacks.changed() == {}
