"""What was tried and what was found; each finding is kept in a file, with the command that makes it again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.fuzz.case import Came, Try

MOST_KEPT = 100  # files of findings: one fault can be found thousands of times


@dataclass(frozen=True)
class Finding:
    kind: str
    number: int
    problem: str


@dataclass
class Ledger:
    """`folder`: where the findings of this seed are kept."""

    seed: int
    folder: Path
    tries: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def tried(self, kind: str, number: int, problem: str | None, sent: bytes, came: str = "") -> None:
        self.tries[kind] += 1
        if problem is None:
            return
        self.findings.append(Finding(kind, number, problem))
        if len(self.findings) <= MOST_KEPT:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"{kind.replace(' ', '-')}-{number}"
            (self.folder / f"{name}.sent").write_bytes(sent)
            (self.folder / f"{name}.txt").write_text(f"{problem}\n\n{self.again(kind, number)}\n\n{came}\n")

    def exchanged(self, kind: str, number: int, tried: Try, came: Came, problem: str | None) -> None:
        self.statuses.update(answer.status for answer in came.answers)
        message = "\n".join(f"{answer.status} {answer.body[:500]!r}" for answer in came.answers)
        self.tried(kind, number, problem, b"".join(tried.pieces), message)

    def again(self, kind: str, number: int) -> str:
        """The command that makes this one try again."""
        return f"python -m benchmarks.fuzz --seed {self.seed} --only '{kind}:{number}'"

    def as_json(self) -> str:
        message = {
            "seed": self.seed,
            "tries": dict(self.tries),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "findings": [
                {"kind": f.kind, "number": f.number, "problem": f.problem, "again": self.again(f.kind, f.number)}
                for f in self.findings
            ],
        }
        return msgspec.json.format(msgspec.json.encode(message)).decode()
