"""The corpus as the tests read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
CODE = tuple(sorted((FOLDER / "code").glob("[A-Za-z]*.*")))
"""Files of Python and Java functions."""


@dataclass(frozen=True)
class NearDuplicate:
    """A paragraph, and others that differ from it in one thing each: `(what differs, text)`."""

    id: str
    original: str
    others: tuple[tuple[str, str], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The original first."""
        return self.original, *(text for _, text in self.others)


def near_duplicates() -> tuple[NearDuplicate, ...]:
    reported = yaml.safe_load((FOLDER / "near_duplicates.yaml").read_text(encoding="utf-8"))
    return tuple(
        NearDuplicate(group["id"], group["original"], tuple((o["differs"], o["text"]) for o in group["others"]))
        for group in reported
    )
