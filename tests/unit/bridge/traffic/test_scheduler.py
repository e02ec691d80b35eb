"""Queries before documents, documents never forgotten, bounds kept, and nothing run that nobody waits for."""

import heapq
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.errors import QueueFull
from embedstack.bridge.request import KeepAlive, Lane
from embedstack.bridge.traffic.item import Errand, Item
from embedstack.bridge.traffic.pace import retry_after
from embedstack.bridge.traffic.scheduler import Scheduler

SIZE = 1 << 20


def scheduler(*, texts: int = 50_000, size: int = SIZE, bulk_share: float = 0.1) -> Scheduler:
    return Scheduler(texts=texts, size=size, bulk_share=bulk_share)


def item(text: str = "text", lane: Lane = "bulk", flow: Sequence[str] = ("a", "", "1"), keep: KeepAlive = None) -> Item:
    return Item(text.encode(), text, Errand(lane, flow, keep, lambda *_: None))


def taken(queue: Scheduler, texts: int = 1, size: int = SIZE) -> list[str]:
    return [one.text for one in queue.take(texts, size)]


def test_a_query_overtakes_every_document() -> None:
    """It is in the next slice, however many documents came before it."""
    queue = scheduler()
    queue.push([item(f"document {n}") for n in range(2_000)])
    queue.push([item("query", "interactive")])

    assert taken(queue) == ["query"]


def test_a_slice_holds_one_lane_alone() -> None:
    """A query is not held up by documents in its own call."""
    queue = scheduler()
    queue.push([item("document"), item("query", "interactive")])

    assert taken(queue, texts=10) == ["query"]


def test_a_slice_ends_at_its_bytes_and_at_its_texts() -> None:
    """The first text is always taken; further ones only while they fit."""
    queue = scheduler()
    queue.push([item("x" * 600), item("y" * 300), item("z" * 300), *(item(f"{n}") for n in range(5))])

    assert taken(queue, texts=32, size=500) == ["x" * 600]
    assert taken(queue, texts=32, size=601) == ["y" * 300, "z" * 300, "0"]
    assert taken(queue, texts=2, size=500) == ["1", "2"]


def test_a_slice_holds_one_keep_alive_alone() -> None:
    """Ollama takes one for a call, so texts with another wait for the next."""
    queue = scheduler()
    queue.push([item("five", keep="5m"), item("ever", keep=-1)])

    assert taken(queue, texts=10) == ["five"]
    assert taken(queue, texts=10) == ["ever"]


def test_documents_keep_their_share_while_queries_never_end() -> None:
    """A tenth of the engine's time, whatever comes in the other lane."""
    queue = scheduler(bulk_share=0.1)
    queue.push([item(f"d{n}" + "x" * 96) for n in range(1_000)])
    served = []
    for n in range(1_000):
        queue.push([item(f"q{n}" + "x" * 96, "interactive", ("b", "", str(n)))])
        served += taken(queue)

    assert sum(text.startswith("d") for text in served) in range(90, 111)


def test_without_a_share_documents_wait_for_the_last_query() -> None:
    """`bulk_share` 0 is strict priority."""
    queue = scheduler(bulk_share=0)
    queue.push([item("document")])
    queue.push([item(f"query {n}", "interactive") for n in range(50)])

    assert [taken(queue)[0] for _ in range(51)][-1] == "document"


def test_what_was_taken_back_is_never_run() -> None:
    """It leaves the counts at once, and no slice holds it."""
    queue = scheduler()
    items = [item(f"{n}") for n in range(10)]
    queue.push(items)
    for one in items[:9]:
        queue.drop(one)

    assert (queue.waiting_texts, queue.waiting_bytes) == (1, 1)
    assert taken(queue, texts=10) == ["9"]
    assert taken(queue) == []


def test_a_document_that_a_query_waits_for_goes_with_the_queries() -> None:
    """It is run once, in the faster lane."""
    queue = scheduler()
    shared = item("shared")
    queue.push([item("before"), shared, item("after")])
    queue.promote(shared)

    assert [taken(queue, texts=10) for _ in range(3)] == [["shared"], ["before", "after"], []]
    assert queue.waiting_texts == 0


def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    """Texts that were taken back do not pile up behind a lane that never moves."""
    queue = scheduler()
    queue.push([item("first")])
    for n in range(10_000):
        one = item(f"{n}", flow=("a", "", str(n)))
        queue.push([one])
        queue.drop(one)

    assert queue.waiting_texts == 1
    assert len(queue._lanes["bulk"]._flows["a"]._flows[""]._flows) < 3_000  # memory has no other face


def test_a_full_queue_refuses_with_an_honest_time() -> None:
    """At the measured pace the queue is empty after the seconds that are reported."""
    queue = scheduler(texts=10)
    queue.push([item("x" * 936) for _ in range(10)])
    queue.pace.measure(1_000, 0.5)

    with pytest.raises(QueueFull) as refused:
        queue.check_room(1, 4, engines=1)

    assert refused.value.retry_after == 5
    with pytest.raises(QueueFull) as refused:
        queue.check_room(1, 4, engines=5)
    assert refused.value.retry_after == 1


def test_bytes_are_bounded_as_well() -> None:
    """Few but huge texts fill the queue too."""
    queue = scheduler(size=100)
    queue.push([item("x" * 60)])

    queue.check_room(1, 40, engines=1)
    with pytest.raises(QueueFull):
        queue.check_room(1, 41, engines=1)


def test_an_empty_queue_takes_any_request() -> None:
    """One that alone exceeds the bound could else never be served."""
    scheduler(texts=10, size=10).check_room(11, 11, engines=1)


def test_a_wait_is_reported_by_lane() -> None:
    """A query waits for queries alone, a document for everything."""
    queue = scheduler()
    queue.push([item("x" * 936) for _ in range(10)])
    queue.push([item("y" * 936, "interactive")])
    assert queue.seconds_ahead("bulk", 1) is None
    queue.pace.measure(1_000, 1.0)

    assert (queue.seconds_ahead("interactive", 1), queue.seconds_ahead("bulk", 2)) == (1.0, 5.5)


@pytest.mark.parametrize(("seconds", "reported"), [(None, 5), (0.0, 1), (1.2, 2), (10_000.0, 600)])
def test_retry_after_is_whole_seconds_within_bounds(seconds: float | None, reported: int) -> None:
    """At least one second, at most ten minutes, and a guess where nothing is known."""
    assert retry_after(seconds) == reported


arrivals = st.lists(
    st.tuples(
        st.floats(0, 60),  # seconds at which it comes
        st.sampled_from(["interactive", "bulk"]),
        st.sampled_from("abc"),
        st.integers(1, 2_000),  # bytes
    ),
    min_size=1,
    max_size=120,
)


@given(arrivals, st.sampled_from([0.05, 0.1, 0.3]))
def test_nothing_starves(comes: list[tuple[float, Lane, str, int]], share: float) -> None:
    """On a simulated engine that never rests, every text is served once, and anyone who waits is served within the time
    that all the work of his lane takes at its share of the engine."""
    pace = 0.001  # seconds a byte
    texts = [(at, item(f"{n}|" + "x" * size, lane, (who, "", str(n)))) for n, (at, lane, who, size) in enumerate(comes)]
    began = {one.text: at for at, one in texts}
    waiting = [(at, n, one) for n, (at, one) in enumerate(texts)]
    heapq.heapify(waiting)
    queue, clock, done = scheduler(bulk_share=share), 0.0, dict[str, float]()
    while waiting or queue.waiting_texts:
        if not queue.waiting_texts:
            clock = max(clock, waiting[0][0])
        while waiting and waiting[0][0] <= clock:
            queue.push([heapq.heappop(waiting)[2]])
        slice_ = queue.take(4, 512)
        clock += sum(one.size + 64 for one in slice_) * pace
        done.update({one.text: clock for one in slice_})

    assert done.keys() == began.keys()
    cost = {
        lane: sum((one.size + 64) * pace for _, one in texts if one.lane == lane) for lane in ("interactive", "bulk")
    }
    longest = 4 * 2_100 * pace
    for _, one in texts:
        bound = cost[one.lane] / (1 - share if one.lane == "interactive" else share) + 4 * longest / share
        assert done[one.text] - began[one.text] <= bound
