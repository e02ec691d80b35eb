"""A text is guilty when engines that were in order ended under it alone, twice; until then it is suspected."""

from embedstack.bridge.engines.quarantine import Quarantine

BAD, GOOD = b"bad", b"good"


def test_two_deaths_alone_are_proof() -> None:
    """One may be chance: somebody may have killed the engine."""
    quarantine = Quarantine(600)

    assert not quarantine.died(BAD, alone=True)
    assert not quarantine.holds(BAD)
    assert quarantine.died(BAD, alone=True)
    assert quarantine.holds(BAD)


def test_a_death_beside_others_makes_a_suspect_and_no_more() -> None:
    """However often it was there: it is sent alone from now on, which shows."""
    quarantine = Quarantine(600)

    verdicts = [quarantine.died(BAD, alone=False) for _ in range(5)]

    assert verdicts == [False] * 5
    assert quarantine.suspects(BAD)
    assert not quarantine.holds(BAD)


def test_a_vector_clears_a_suspect() -> None:
    """Whatever ended the engine, it was not this text."""
    quarantine = Quarantine(600)
    quarantine.died(BAD, alone=True)
    quarantine.cleared(BAD)

    assert not quarantine.suspects(BAD)
    assert not quarantine.died(BAD, alone=True)


def test_quarantine_ends() -> None:
    """After its seconds a text may be tried again, and not before."""
    now = 1000.0
    quarantine = Quarantine(600, clock=lambda: now)
    quarantine.died(BAD, alone=True)
    quarantine.died(BAD, alone=True)
    now = 1599.9
    assert quarantine.holds(BAD)
    assert not quarantine.holds(GOOD)

    now = 1600.0
    assert not quarantine.holds(BAD)
    assert not quarantine.suspects(BAD)


def test_quarantine_of_no_seconds_holds_nothing() -> None:
    """A setting of 0 switches it off."""
    quarantine = Quarantine(0)
    quarantine.died(BAD, alone=True)

    assert not quarantine.suspects(BAD)


def test_quarantine_is_bounded() -> None:
    """Someone who sends killers all day fills no memory; the oldest leave first."""
    quarantine = Quarantine(600, most=10)
    for n in range(25):
        quarantine.died(bytes([n]), alone=True)

    assert [n for n in range(25) if quarantine.suspects(bytes([n]))] == list(range(15, 25))


def test_ends_under_other_texts_ask_for_more_proof() -> None:
    """An engine that ends under whatever it is given is ended by something else; a text that it takes is no killer."""
    quarantine = Quarantine(600)
    for n in range(5):
        quarantine.died(bytes([n]), alone=True)

    assert [quarantine.died(BAD, alone=True) for _ in range(7)] == [False] * 6 + [True]


def test_a_proven_killer_is_no_excuse_for_the_next() -> None:
    """Its ends are explained."""
    quarantine = Quarantine(600)
    quarantine.died(GOOD, alone=True)
    quarantine.died(GOOD, alone=True)

    assert not quarantine.died(BAD, alone=True)
    assert quarantine.died(BAD, alone=True)


def test_an_engine_that_ends_under_golden_texts_proves_nothing() -> None:
    """What ended it is still there, and was no text; sent alone it is all the same."""
    quarantine = Quarantine(600)
    quarantine.died(GOOD, alone=True)
    quarantine.absolved(GOOD)
    assert quarantine.suspects(GOOD)
    quarantine.died(BAD, alone=True)
    assert not quarantine.died(GOOD, alone=True)

    quarantine.absolved(GOOD)
    assert quarantine.died(BAD, alone=True)


def test_doubt_passes() -> None:
    """An operator who killed an engine an hour ago did not do this."""
    now = 1000.0
    quarantine = Quarantine(600, clock=lambda: now)
    quarantine.died(GOOD, alone=True)
    now += 61
    quarantine.died(BAD, alone=True)

    assert quarantine.died(BAD, alone=True)


def test_a_text_without_a_vector_is_kept_back_when_proven() -> None:
    """At once where the engine took other texts of the same call, else the second time; then for its seconds."""
    now = 1000.0
    quarantine = Quarantine(600, clock=lambda: now)
    quarantine.broke(BAD, proven=True)
    quarantine.broke(GOOD, proven=False)

    assert (quarantine.breaks(BAD), quarantine.breaks(GOOD)) == (True, False)
    assert quarantine.was_reset_for(BAD)
    assert quarantine.was_reset_for(GOOD)
    assert not quarantine.suspects(BAD)
    quarantine.broke(GOOD, proven=False)
    assert quarantine.breaks(GOOD)
    quarantine.cleared(GOOD)
    assert not quarantine.breaks(GOOD)
    now += 600
    assert not quarantine.breaks(BAD)
    assert not quarantine.was_reset_for(BAD)


def test_resets_in_vain_are_remembered_without_a_quarantine() -> None:
    """A setting of 0 keeps no text back, and yet an engine is not reset for one again and again."""
    quarantine = Quarantine(0)
    quarantine.broke(BAD, proven=True)

    assert not quarantine.breaks(BAD)
    assert quarantine.was_reset_for(BAD)
