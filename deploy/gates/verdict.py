"""What a gate says of one fact of a model's files. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedstack.deploy.errors import ModelRefused

Severity = Literal["pass", "warn", "fail"]

ABSENT = "absent"


@dataclass(frozen=True)
class Verdict:
    """`value` is what `field` says, and `must` what it must say. `origin`: where files come from that say otherwise."""

    field: str
    value: str
    must: str
    severity: Severity
    origin: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}; it must be {self.must}. Such files come from {self.origin}."


def failures(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in verdicts if verdict.severity == "fail")


def refuse(path: Path, model: str, verdicts: Iterable[Verdict]) -> None:
    """ModelRefused that names every failure, if there is any; `model` is the id that the file was to be."""
    if failed := failures(verdicts):
        lines = (f"  - {verdict}" for verdict in failed)
        raise ModelRefused(
            "\n".join([f"{path} would give wrong vectors:", *lines]),
            f"Nothing was given to an engine. `embedstack model pull {model}` fetches the model's own file, which is "
            "right; with a file of your own, convert it anew from the model's whole folder, with a newer llama.cpp.",
        )


def judge(field: str, value: object, must: object, origin: str, *, otherwise: Severity = "fail") -> Verdict:
    """A pass where `value` is `must`, else `otherwise`."""
    severity: Severity = "pass" if value == must else otherwise
    return Verdict(field, told(value), told(must), severity, origin)


def told(value: object) -> str:
    """As a person reads it: None is absent, booleans as in the files, a long text is cut."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"  # what an f32 keeps
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
