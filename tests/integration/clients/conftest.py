"""What every client is held against."""

import asyncio
import inspect

import numpy as np
import pytest

from tests.bridge_process import Bridge
from tests.integration.clients.texts import TEXTS, Floats


@pytest.fixture(scope="session")
def expected(bridge: Bridge) -> Floats:
    """The vectors of TEXTS as plain HTTP gets them."""
    return np.array(bridge.embed(*TEXTS))


def pytest_configure(config: pytest.Config) -> None:
    """Marks in langchain-tests, of plugins that are off here."""
    for mark in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{mark}: of a plugin of langchain-tests")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """LangChain's own tests bring coroutines along; each gets a loop, in which its client is closed too."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    asyncio.run(_closing(pyfuncitem))
    return True


async def _closing(item: pytest.Function) -> None:
    async with item.funcargs["model"]._async_client:
        await item.obj(**{name: item.funcargs[name] for name in inspect.signature(item.obj).parameters})
