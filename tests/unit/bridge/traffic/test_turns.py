"""Who is next among many: fair by what was given so far, first in first out inside a flow, nobody forgotten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.traffic.scheduler import Turns


@dataclass(eq=False)
class Text:
    """Something that waits."""

    flow: tuple[str, ...]
    cost: float = 1.0
    alive: bool = True


def turns(texts: Sequence[Text] = ()) -> Turns[Text]:
    made = Turns[Text](lambda text: text.alive, lambda text: text.cost)
    for text in texts:
        made.push(text.flow, text)
    return made


def drained(queue: Turns[Text]) -> list[Text]:
    out = []
    while (text := queue.pop()) is not None:
        out.append(text)
    return out


def owners(texts: Sequence[Text]) -> str:
    return "".join(text.flow[0] for text in texts)


def test_one_flow_is_first_in_first_out() -> None:
    """A single client's texts keep their order."""
    texts = [Text(("a",)) for _ in range(5)]

    assert drained(turns(texts)) == texts


def test_two_uploads_take_turns() -> None:
    """The one that came second does not wait for the whole of the first."""
    texts = [Text(("a",)) for _ in range(100)] + [Text(("b",)) for _ in range(3)]

    assert owners(drained(turns(texts))[:6]).count("b") == 3


def test_long_texts_get_fewer_turns() -> None:
    """Turns are fair by what they take, not by number."""
    texts = [Text(("a",), cost=4.0) for _ in range(50)] + [Text(("b",), cost=1.0) for _ in range(50)]

    first = owners(drained(turns(texts))[:25])

    assert 4 * first.count("a") - first.count("b") in range(-4, 5)


def test_users_share_the_turns_of_their_address() -> None:
    """Ten users behind one address have together what a client of its own has: inventing users gains nothing."""
    behind = [Text(("address", f"user {n % 10}")) for n in range(100)]
    alone = [Text(("other", "")) for _ in range(100)]

    first = Counter(text.flow[0] for text in drained(turns(behind + alone))[:40])

    assert first["other"] in (19, 20, 21)


def test_users_behind_one_address_take_turns_among_themselves() -> None:
    """One of them with much to embed does not hold up the other."""
    texts = [Text(("address", "much")) for _ in range(100)] + [Text(("address", "little")) for _ in range(3)]

    assert [text.flow[1] for text in drained(turns(texts))[:6]].count("little") == 3


def test_who_asks_again_at_once_does_not_begin_again() -> None:
    """A client that sends one text after another gets every second turn beside a backlog, not every turn."""
    queue = turns([Text(("backlog",)) for _ in range(100)])
    served = []
    for _ in range(40):
        queue.push(("single",), Text(("single",)))
        served.append(queue.pop())
        served.append(queue.pop())

    assert Counter(text.flow[0] for text in served if text)["single"] == 40


def test_what_was_taken_back_is_passed_over_and_costs_nothing() -> None:
    """A client whose requests were dropped has not used up its turns with them."""
    dead = [Text(("a",), cost=1000.0) for _ in range(10)]
    live = [Text(("a",)), Text(("b",))]
    queue = turns([*dead, *live])
    for text in dead:
        text.alive = False

    assert drained(queue) == live


def test_what_does_not_fit_stays_the_next() -> None:
    """A slice that is full leaves the next text where it is."""
    texts = [Text(("a",), cost=9.0), Text(("a",), cost=1.0)]
    queue = turns(texts)

    assert queue.pop(lambda text: text.cost < 5) is None
    assert drained(queue) == texts


def test_pruning_forgets_only_the_dead() -> None:
    """Memory is given back without a change of order."""
    texts = [Text((str(n % 7), str(n % 3))) for n in range(200)]
    queue, expected = turns(texts), turns(texts)
    for text in texts[::2]:
        text.alive = False
    queue.prune()

    assert drained(queue) == drained(expected)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(1, 50)), max_size=60))
def test_everything_comes_out_once(flows: list[tuple[str, str, int]]) -> None:
    """Whatever the flows and costs, nothing is lost and nothing comes twice."""
    texts = [Text((address, user), float(cost)) for address, user, cost in flows]

    assert Counter(map(id, drained(turns(texts)))) == Counter(map(id, texts))


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6), st.integers(20, 80))
def test_no_flow_gets_much_more_than_another(costs: list[int], pops: int) -> None:
    """While all have work, what two flows have been given differs by no more than their largest texts."""
    queue = turns([Text((str(flow),), float(cost)) for flow, cost in enumerate(costs) for _ in range(pops)])
    given_so_far = dict.fromkeys(range(len(costs)), 0.0)
    for _ in range(pops):
        text = queue.pop()
        assert text is not None
        given_so_far[int(text.flow[0])] += text.cost

    assert max(given_so_far.values()) - min(given_so_far.values()) <= 2 * max(costs)
