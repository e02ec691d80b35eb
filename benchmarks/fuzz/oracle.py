"""What is wrong with what came back; nothing, where the bridge did as it promises."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.fuzz.case import Answer, Came, Sent, Try
from benchmarks.fuzz.truth import Truth
from tests.reference.numpy_qwen3 import Floats

EMBED = ("/api/embed", "/api/embeddings", "/v1/embeddings", "/embeddings")
TIMED_OUT = {"x-request-timeout", "x-stainless-timeout"}  # who gives the bridge no time is informed so, with a 503


def judge(tried: Try, came: Came, truth: Truth) -> str | None:
    """The first fault; None where there is none."""
    if came.refused:
        return f"the connection was refused: {came.refused}"
    if came.late:
        return f"no answer within the bound: {len(came.answers)} of {len(tried.sent)} came"
    if tried.whole and len(came.answers) != len(tried.sent):
        return f"{len(came.answers)} answers to {len(tried.sent)} requests"
    if len(came.answers) > len(tried.sent) + 1:  # one more may refuse what stands behind the last
        return f"{len(came.answers)} answers to {len(tried.sent)} requests"
    for sent, answer in zip(tried.sent, came.answers, strict=False):
        if problem := _wrong(sent, answer, truth):
            return f"{sent.method} {sent.path}: {problem}"
    rest = came.answers[len(tried.sent) :]
    return next((f"{answer.status} for what is not a request" for answer in rest if answer.status >= 500), None)


def _wrong(sent: Sent, answer: Answer, truth: Truth) -> str | None:
    if answer.status >= 500 and not (answer.status == 503 and TIMED_OUT & {name.lower() for name in sent.headers}):
        return f"{answer.status}: {answer.body[:300]!r}"
    if not sent.method:
        return _not_unit(answer)
    path = _route(sent.path)
    if sent.whole and answer.status not in (200, 409):  # 409: an index is expected since another try
        return f"{answer.status} for what is right: {answer.body[:300]!r}"
    if answer.status != 200 or path is None or sent.method != "POST":
        return None
    try:
        body = json.loads(sent.body.decode())
    except UnicodeDecodeError:
        return _not_unit(answer)  # the bridge reads such bytes as U+FFFD; which text that makes is not followed here
    except ValueError:
        return "200 for a body that is not JSON"
    try:
        rows = vectors(path, json.loads(answer.body))
    except (ValueError, KeyError, TypeError) as error:
        return f"200 with what is not a vector ({error}): {answer.body[:200]!r}"
    return truth.wrong(path, body, sent.headers, rows)


def _not_unit(answer: Answer) -> str | None:
    """Of a request that is not known any more, a vector is at least of length 1."""
    for path in EMBED[:3]:
        try:
            rows = vectors(path, json.loads(answer.body))
        except (ValueError, KeyError, TypeError):
            continue
        return next((f"length {n}" for row in rows if abs((n := float(np.linalg.norm(row))) - 1) > 1e-3), None)
    return None


def _route(path: str) -> str | None:
    return next((route for route in EMBED if path.partition("?")[0] == route), None)


def vectors(path: str, answer: Any) -> Sequence[Floats]:
    """Each row (d,) float32, of floats or of base64."""
    if path == "/api/embed":
        rows = answer["embeddings"]
    elif path == "/api/embeddings":
        rows = [answer["embedding"]] if answer["embedding"] else []
    else:
        rows = [entry["embedding"] for entry in sorted(answer["data"], key=lambda entry: int(entry["index"]))]
    return [_row(row) for row in rows]


def _row(given: str | list[float]) -> Floats:
    if isinstance(given, str):
        return np.frombuffer(base64.b64decode(given), "<f4")
    return np.array(given, np.float32)
