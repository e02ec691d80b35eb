"""Who is served when, read at the engine's own door: a recorder between the bridge and a real engine."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge, bridge
from tests.stacks import Stacks
from tests.upstreams.crowd import Crowd, until
from tests.upstreams.llama import llama_child
from tests.upstreams.recorder import Recorder, recorder

KEYS = "[{name: one, key: key-of-one}, {name: two, key: key-of-two}, {name: chat, key: key-of-chat, lane: interactive}]"
CHUNK = "a chunk of a document, long enough that none goes with another. " * 4


@dataclass(frozen=True)
class Watched:
    """A bridge, and what its engine was given."""

    bridge: Bridge
    given: Recorder

    @property
    def crowd(self) -> Crowd:
        return Crowd(self.bridge.url)

    def order(self) -> list[str]:
        """The last word of each text, in the order in which the engine got them."""
        return [text.decode().rsplit(" ", 1)[-1] for text in self.given.texts]


@contextmanager
def watched(engine: str, *settings: str, cached: bool = False) -> Iterator[Watched]:
    with recorder(engine) as (url, given), bridge("--upstream", url, *settings, cached=cached) as running:
        given.clear()
        yield Watched(running, given)


@pytest.fixture(scope="module")
def llama(demo: DemoFiles) -> Iterator[str]:
    with llama_child(demo.gguf, model="demo") as url:
        yield url


@pytest.fixture(params=["llama.cpp in process", pytest.param("ollama", marks=pytest.mark.needs("ollama"))])
def server(request: pytest.FixtureRequest, llama: str) -> str:
    """A real engine's address."""
    if request.param != "ollama":
        return llama
    stacks: Stacks = request.getfixturevalue("stacks")
    return stacks.upstream("ollama").url


SETTINGS = ("--set", "model.id=demo", "--set", "model.precision=f16")


def documents(count: int, name: str = "") -> list[str]:
    return [f"{CHUNK} {name}{number}" for number in range(count)]


def test_a_query_is_next_whatever_waits(server: str) -> None:
    """Twenty documents wait; the query that comes last is served after what was with the engine when it came.

    Which is one document; some more where this process was slow between its look and its question, but not each time.
    """

    async def go(this: Watched) -> None:
        flood = asyncio.create_task(this.crowd.ask_all(documents(20), input_type="document"))
        waited = []
        for number in range(3):
            await until(lambda start=5 * number: len(this.given.texts) > start)
            before = len(this.given.texts)
            reply = await this.crowd.ask(f"where are they {number}?", input_type="query")
            assert reply.status == 200
            waited.append(this.order().index(f"{number}?") - before)
        assert min(waited) <= 1, waited
        assert max(waited) <= 6, waited
        assert [reply.status for reply in await flood] == [200] * 20
        assert len(this.given.texts) == 23

    with watched(server, *SETTINGS) as this:
        asyncio.run(go(this))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("quick", "headers", "fields"),
    [
        ("by header", {"X-Embed-Lane": "interactive", "Authorization": "Bearer key-of-one"}, {}),
        ("by key", {"Authorization": "Bearer key-of-chat"}, {"input_type": "document"}),
        ("by role", {"Authorization": "Bearer key-of-two"}, {"input_type": "query"}),
    ],
)
def test_what_makes_a_request_go_first(llama: str, quick: str, headers: dict[str, str], fields: dict[str, str]) -> None:
    """Role, header or key; that a text is short never does."""

    async def go(this: Watched) -> None:
        bearer = {"Authorization": "Bearer key-of-one"}
        flood = [asyncio.create_task(this.crowd.ask(text, bearer)) for text in documents(20)]
        await until(lambda: this.given.texts)
        short = asyncio.create_task(this.crowd.ask("short", bearer))
        await asyncio.sleep(0)
        assert (await this.crowd.ask("go first!", headers, **fields)).status == 200
        await asyncio.gather(*flood, short)
        order = this.order()
        assert order.index("first!") <= 10, quick
        assert order.index("short") >= order.index("first!")

    with watched(llama, *SETTINGS, "--set", f"security.api_keys={KEYS}") as this:
        asyncio.run(go(this))


@pytest.mark.thorough
@pytest.mark.parametrize("by", ["key", "user"])
def test_two_uploads_take_turns(server: str, by: str) -> None:
    """Two keys, or two of Open WebUI's users behind one address: the small upload does not wait for the large one."""

    def who(name: str) -> dict[str, str]:
        user = {"Authorization": "Bearer key-of-chat", "X-Embed-Lane": "bulk", "X-OpenWebUI-User-Id": name}
        return {"Authorization": f"Bearer key-of-{name}"} if by == "key" else user

    async def go(this: Watched) -> None:
        large = [asyncio.create_task(this.crowd.ask(text, who("one"))) for text in documents(24, "large-")]
        await until(lambda: this.given.texts)
        begun = len(this.given.texts)
        small = [asyncio.create_task(this.crowd.ask(text, who("two"))) for text in documents(5, "small-")]
        await asyncio.gather(*large, *small)
        order = this.order()
        last = max(index for index, name in enumerate(order) if name.startswith("small-"))
        assert last <= begun + 2 * 5 + 8
        assert sorted(order) == sorted([f"large-{n}" for n in range(24)] + [f"small-{n}" for n in range(5)])

    with watched(server, *SETTINGS, "--set", f"security.api_keys={KEYS}") as this:
        asyncio.run(go(this))


@pytest.mark.thorough
def test_documents_keep_their_share(llama: str) -> None:
    """While queries never end, every now and then a document goes before them."""

    async def go(this: Watched) -> None:
        flood = asyncio.create_task(this.crowd.ask_all(documents(10, "document-"), input_type="document"))
        await until(lambda: this.given.texts)
        queries = [f"{CHUNK} query-{number}" for number in range(40)]
        await this.crowd.ask_all(queries, input_type="query")
        served = sum(name.startswith("document-") for name in this.order()[:40])
        assert 8 <= served <= 13
        await flood

    with watched(llama, *SETTINGS, "--set", "traffic.bulk_share=0.25") as this:
        asyncio.run(go(this))


def test_who_leaves_spares_the_engine(server: str) -> None:
    """Thirty clients close their connections while they wait: the engine sees no more than what it had begun."""

    async def go(this: Watched) -> None:
        crowd = this.crowd
        waiting = asyncio.gather(*(crowd.ask(text) for text in documents(30)), return_exceptions=True)
        await until(lambda: len(this.given.texts) > 2)
        crowd.leave()
        await waiting
        begun = len(this.given.texts)
        assert (await this.crowd.ask("and the next client")).status == 200
        assert len(this.given.texts) <= begun + 3
        assert this.order()[-1] == "client"

    with watched(server, *SETTINGS) as this:
        asyncio.run(go(this))


def test_identical_texts_are_computed_once(server: str) -> None:
    """Thirty-two clients ask the same ten texts at the same moment: the engine is asked for ten.

    Who comes when a text is done already finds it in the cache.
    """

    async def go(this: Watched) -> None:
        replies = await this.crowd.ask_all(documents(10) * 32)
        assert {reply.status for reply in replies} == {200}
        assert sorted(this.order()) == sorted(str(number) for number in range(10))
        found = [reply.headers["x-embed-cache"] for reply in replies]
        assert (found.count("miss"), found.count("joined") + found.count("hit")) == (10, 310)

    with watched(server, *SETTINGS, cached=True) as this:
        asyncio.run(go(this))


def test_a_deadline_is_kept(llama: str) -> None:
    """A tenth of a second is not enough behind twenty documents: a 503 with a time to come back, and no work for it."""

    async def go(this: Watched) -> None:
        flood = asyncio.create_task(this.crowd.ask_all(documents(20)))
        await until(lambda: len(this.given.texts) > 2)
        reply = await this.crowd.ask(f"{CHUNK} late", {"X-Request-Timeout": "0.1"})
        assert (reply.status, reply.headers["x-embed-error"]) == (503, "deadline_missed")
        assert int(reply.headers["retry-after"]) >= 1
        in_time = await this.crowd.ask("a query", {"X-Request-Timeout": "30"}, input_type="query")
        assert in_time.status == 200
        await flood
        assert "late" not in this.order()

    with watched(llama, *SETTINGS) as this:
        asyncio.run(go(this))
