"""What must hold of vectors and counts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedstack.models.model import Reference, Scores
from embedstack.vectors import checks
from embedstack.vectors.checks import DISTINCT, SAME, UNIT, Wide
from embedstack.vectors.mrl import Vectors


@dataclass(frozen=True)
class SmokeVerdict:
    """Whether it holds (None: it cannot be asked), what was found and what must be."""

    passed: bool | None
    value: str
    must: str


def dimensions(vectors: Vectors, native: int) -> SmokeVerdict:
    return SmokeVerdict(vectors.shape[1] == native, str(vectors.shape[1]), str(native))


def norm(vectors: Vectors) -> SmokeVerdict:
    worst = checks.off_unit(vectors)
    return SmokeVerdict(worst <= UNIT, f"1, off by {worst:.1e} at most", f"1, off by no more than {UNIT:g}")


def tokens(expected: Sequence[int], single: Sequence[int | None], together: int | None) -> SmokeVerdict:
    wrong = checks.wrong_counts(expected, single)
    if together != sum(expected):
        wrong.append(f"together: {together}, not {sum(expected)}")
    must = f"{sum(expected)} tokens in all, end-of-text once a text"
    return SmokeVerdict(not wrong, "; ".join(wrong) or must, must)


def same(one: Vectors, other: Vectors) -> SmokeVerdict:
    """Row by row."""
    must = f"cosine {SAME} at least"
    if one.shape != other.shape:
        return SmokeVerdict(False, f"shapes {one.shape} and {other.shape}", must)
    worst = float(checks.cosines(one, other).min())
    return SmokeVerdict(worst >= SAME, f"cosine {worst:.6f} at least", must)


def cut_of(full: Vectors, got: Vectors, size: int) -> SmokeVerdict:
    """`got` must be the first `size` numbers of `full`, of length 1 again."""
    must = f"the first {size} numbers, of length 1 again"
    if got.shape[1] != size:
        return SmokeVerdict(False, f"{got.shape[1]} numbers", must)
    if not (length := norm(got)).passed:
        return SmokeVerdict(False, f"of length {length.value}", must)
    verdict = same(full[:, :size], got)
    return SmokeVerdict(verdict.passed, verdict.value, f"{must}, {verdict.must}")


def differ(query: Vectors, document: Vectors) -> SmokeVerdict:
    nearest = float(checks.cosines(query, document).max())
    return SmokeVerdict(nearest <= DISTINCT, f"cosine {nearest:.4f}", f"another vector, cosine below {DISTINCT}")


def scores(vectors: Vectors, reference: Reference, at: Scores) -> SmokeVerdict:
    """Cosines of queries with documents against the published ones, at their size."""
    worst = checks.off_scores(_table(vectors[:, : at.dimensions], reference), at.matrix)
    allowed = at.tolerance or 0.0
    return SmokeVerdict(worst <= allowed, f"off by {worst:.4f} at most", f"off by {allowed} at most ({at.source})")


def margin(vectors: Vectors, reference: Reference, least: float) -> SmokeVerdict:
    smallest = checks.margin(_table(vectors, reference))
    return SmokeVerdict(smallest >= least, f"{smallest:.3f}", f"{least} at least")


def _table(vectors: Vectors, reference: Reference) -> Wide:
    return checks.table(vectors, reference.queries, reference.documents)
