"""The limit of open files that the parts of a native stack are started with."""

import resource

import pytest

from embedstack.host.processes import raised

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        pytest.param(1024, 1_048_576, 65_536, id="many systems' own"),
        pytest.param(1024, 20_000, 20_000, id="a hard limit below what is wanted"),
        pytest.param(100_000, 1_048_576, 100_000, id="a higher one is left"),
        pytest.param(1024, ENDLESS, 65_536, id="no hard limit"),
        pytest.param(ENDLESS, ENDLESS, ENDLESS, id="no limit at all"),
    ],
)
def test_it_is_raised_as_far_as_open_webui_needs(soft: int, hard: int, expected: int) -> None:
    """To 65,536, never above the hard limit and never down."""
    assert raised(soft, hard) == expected
