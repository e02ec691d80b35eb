"""What every client is held against."""

import numpy as np
import pytest

from tests.bridge_process import Bridge
from tests.integration.clients.texts import TEXTS, Floats


@pytest.fixture(scope="session")
def expected(bridge: Bridge) -> Floats:
    """The vectors of TEXTS as plain HTTP gets them."""
    return np.array(bridge.embed(*TEXTS))
