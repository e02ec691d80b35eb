"""How an engine divides its time between the documents that it has and the questions that interrupt them."""

from __future__ import annotations

from embedstack.bridge.traffic.pace import NEGLECT_AFTER, Attention


def test_questions_count_only_while_documents_are_there() -> None:
    """Alone they neglect nobody, however long they take."""
    attention = Attention()
    attention.changed(0, 1, 10.0)
    assert not attention.neglects(0.9, 100.0)


def test_a_question_now_and_then_is_no_neglect() -> None:
    """One of 0.3 s every 2 s leaves documents 85 % of the time; one after another leaves them nothing."""
    attention = Attention()
    attention.changed(1, 0, 0.0)
    for turn in range(10):
        attention.changed(1, 1, 2.0 * turn + 1.7)
        attention.changed(1, 0, 2.0 * turn + 2.0)
    assert not attention.neglects(0.8, 20.0)
    assert attention.neglects(0.9, 20.0)


def test_a_call_of_documents_is_not_judged_at_its_beginning() -> None:
    """A second of it has to be over; what came before it does not count."""
    attention = Attention()
    attention.changed(1, 1, 5.0)
    assert not attention.neglects(0.1, 5.0 + NEGLECT_AFTER / 2)
    assert attention.neglects(0.1, 5.0 + NEGLECT_AFTER * 2)
    attention.changed(0, 1, 10.0)
    attention.changed(1, 1, 20.0)
    assert not attention.neglects(0.1, 20.0)
