"""A document of more than 8,000 tokens: a year's log of an invented weather station, one paragraph a day.

Made by counting and not by chance, so that it is the same everywhere and each day can be asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from math import cos, pi

YEAR = 2025
WINDS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
SKIES = ("clear sky", "high thin clouds", "broken clouds", "an overcast sky", "low cloud and drizzle", "steady rain")
WORK = {
    5: "The rain gauge was emptied and wiped dry.",
    9: "The battery of the hygrometer was changed.",
    14: "Spiders had moved into the louvred screen; they were asked to leave.",
    18: "The clock of the recorder was set, it had lost four seconds.",
    23: "The anemometer squeaked and got a drop of oil.",
    28: "A school class came to visit and read the barometer by themselves.",
}
"""What is done on which day of a month."""


def text() -> str:
    """The whole log, with a heading a month."""
    return "\n\n".join(_paragraphs())


def _paragraphs() -> Iterator[str]:
    yield f"# Log of the weather station on Pear Hill, {YEAR}"
    day = date(YEAR, 1, 1)
    while day.year == YEAR:
        if day.day == 1:
            yield f"## {day:%B}"
        yield entry(day)
        day += timedelta(days=1)


def entry(day: date) -> str:
    """One day's paragraph."""
    number = day.timetuple().tm_yday
    warm = 10 - 11 * cos(2 * pi * (number - 20) / 365) + number * 7 % 11 / 2 - 2.5
    sky = SKIES[number * 5 % 17 % len(SKIES)]
    rain = number * 3 % 13 / 2 if "rain" in sky or "drizzle" in sky else 0.0
    wind, force = WINDS[number * 3 % 19 % len(WINDS)], 1 + number * 5 % 23 % 7
    fell = f"{rain:.1f} mm of rain fell" if rain else "no rain fell"
    said = f"{day.day} {day:%B}: {warm:.1f} degrees at noon, {sky}, wind from the {wind} of force {force}; {fell}."
    return f"{said} {WORK[day.day]}" if day.day in WORK else said
