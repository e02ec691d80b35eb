"""A text is guilty when engines that were in order ended under it alone, twice; until then it is suspected."""

from bridge.quarantine import Quarantine

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
