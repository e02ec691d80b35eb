"""Thousands of connections in the same moment, as Open WebUI opens them for one document: none is refused."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.engines.process import children
from tests.reference.numpy_qwen3 import NumpyQwen3
from tests.upstreams.crowd import Crowd, Reply, until

CROWD = 2_500
SOFT = 1_024  # a common soft limit of open files, below what is opened here
DEMO = ("--demo", "--set", "engine.threads=1")


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    """Room for the clients' own sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def texts(count: int) -> list[str]:
    return [f"text {number}" for number in range(count)]


def assert_all_right(replies: Sequence[Reply], asked: Sequence[str], demo: DemoFiles) -> None:
    """Every one was answered, with the vector of its own text and no other's: two hundred of them are looked at."""
    assert [reply.status for reply in replies] == [200] * len(asked)
    some = range(0, len(asked), max(1, len(asked) // 200))
    expected = NumpyQwen3.load(demo.hf).embed([asked[index] for index in some])
    got = np.array([replies[index].json()["embeddings"][0] for index in some], np.float32)
    assert np.einsum("ij,ij->i", expected, got).min() >= 0.9999


@pytest.mark.thorough
def test_thousands_at_once_are_all_answered(demo: DemoFiles) -> None:
    """2,500 connections, one text each, at a bridge that was started with 1,024 files: all are served."""
    asked = texts(250) * (CROWD // 250)
    with bridge(*DEMO, soft_files=SOFT) as running:
        replies = asyncio.run(Crowd(running.url).ask_all(asked))

    assert_all_right(replies, asked, demo)


@pytest.mark.thorough
def test_thousands_at_once_outlive_their_engine(demo: DemoFiles) -> None:
    """The same with 2,500 texts, and the engine killed twice in the middle: nobody is informed."""

    async def go(running: Bridge) -> list[Reply]:
        crowd = asyncio.create_task(Crowd(running.url).ask_all(texts(CROWD), input_type="document"))
        for _ in range(2):
            engine = await _engine(running)
            await asyncio.sleep(1.0)  # into the middle of the work
            os.kill(engine, signal.SIGKILL)
            await until(lambda gone=engine: gone not in children(running.pid, Path(sys.executable).name))
        return await crowd

    with bridge(*DEMO, soft_files=SOFT) as running:
        replies = asyncio.run(go(running))
        assert running.log.read_text().count("ended with status -9") == 2
    assert_all_right(replies, texts(CROWD), demo)


async def _engine(running: Bridge) -> int:
    """The engine's process, once there is one and the bridge says that it serves.

    That it serves says nothing alone: the bridge may not have noticed yet that the one before has ended.
    """
    found: list[int] = []

    def serves() -> bool:
        found[:] = children(running.pid, Path(sys.executable).name)
        return len(found) == 1 and bool(running.ready()["ready"])

    await until(serves, seconds=180)
    return found[0]
