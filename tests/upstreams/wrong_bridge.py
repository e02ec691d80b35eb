"""A real bridge behind a proxy that makes it wrong in one way, each by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson

from tests.upstreams.server import Connection, Request, serve

Object = dict[str, Any]
Rows = npt.NDArray[np.float64]
EMBED = "/api/embed"
NATIVE = 2560


@dataclass(frozen=True)
class Wrong:
    """What is changed: a request to embed before it is answered, its answer, and the pages that are not vectors."""

    request: Callable[[Object], Object] = lambda body: body
    answer: Callable[[Object, Object], Object] = lambda _, answer: answer
    pages: Mapping[str, Callable[[Object], Object]] = field(default_factory=dict)
    status: int | None = None


def rows(change: Callable[[Rows], Rows]) -> Wrong:
    def changed(_: Object, answer: Object) -> Object:
        return {**answer, "embeddings": change(np.array(answer["embeddings"])).tolist()} if _rows(answer) else answer

    return Wrong(answer=changed)


def _rows(answer: Object) -> bool:
    return "embeddings" in answer


def _unit(given: Rows) -> Rows:
    unit: Rows = given / np.linalg.norm(given, axis=1, keepdims=True)
    return unit


def _without(*names: str) -> Callable[[Object], Object]:
    return lambda body: {name: value for name, value in body.items() if name not in names}


def _no_end(body: Object, answer: Object) -> Object:
    """The tokens of an engine that appends no EOS."""
    return {**answer, "prompt_eval_count": answer.get("prompt_eval_count", 0) - len(body["input"])}


def _not_counted(_: Object, answer: Object) -> Object:
    return _without("prompt_eval_count")(answer)


def _mixed_up(_: Object, answer: Object) -> Object:
    """The right vectors of a batch, each for another text."""
    return {**answer, "embeddings": answer["embeddings"][1:] + answer["embeddings"][:1]}


def _bare_cut(body: Object, answer: Object) -> Object:
    """A cut that is not brought to length 1 again."""
    short = body.get("dimensions", NATIVE) < NATIVE and _rows(answer)
    return {**answer, "embeddings": (np.array(answer["embeddings"]) * 0.6).tolist()} if short else answer


def _in_range(body: Object) -> Object:
    return body if 32 <= body.get("dimensions", 32) <= NATIVE else _without("dimensions")(body)


def _other_prompt(body: Object) -> Object:
    return {**body, "input_type": "qa"} if body.get("input_type") == "query" else body


def _fading(given: Rows) -> Rows:
    """Weights that differ where a short cut does not look."""
    return _unit(given * np.where(np.arange(given.shape[1]) < 64, 1.0, 0.01))


def _engine_out(ready: Object) -> Object:
    out = {"ready": False, "state": "refused", "reason": "unit norm: off by 1"}
    return {**ready, "ready": False, "backends": [backend | out for backend in ready["backends"]]}


twice_as_long = rows(lambda given: given * 2)
not_a_number = rows(lambda given: given * np.nan)
other_size = rows(lambda given: _unit(given[:, :1024]))
other_weights = rows(_fading)
no_end_of_text = Wrong(answer=_no_end)
tokens_not_counted = Wrong(answer=_not_counted)
batch_mixed_up = Wrong(answer=_mixed_up)
dimensions_ignored = Wrong(request=_without("dimensions"))
dimensions_clamped = Wrong(request=_in_range)
cut_not_renormalised = Wrong(answer=_bare_cut)
roles_ignored = Wrong(request=_without("input_type"))
other_prompt = Wrong(request=_other_prompt)
other_model = Wrong(pages={"/readyz": lambda ready: {**ready, "model": "qwen3-embedding:0.6b"}})
engine_out = Wrong(pages={"/readyz": _engine_out})
no_version = Wrong(pages={"/healthz": lambda _: {}})
refuses = Wrong(status=500)


@contextmanager
def wrong_bridge(real: str, wrong: Wrong) -> Iterator[str]:
    """The proxy's URL, until the block ends."""

    async def forward(request: Request, connection: Connection) -> None:
        embeds = request.path == EMBED
        body = request.json() if embeds else {}
        sent = orjson.dumps(wrong.request(body)) if embeds else request.body
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, real + request.path, data=sent) as answer,
        ):
            reported, status = await answer.read(), answer.status
        if embeds and wrong.status:
            await connection.answer(wrong.status, b'{"error": "broken"}')
        elif embeds and status == 200:
            await connection.answer(status, orjson.dumps(wrong.answer(body, orjson.loads(reported))))
        elif change := wrong.pages.get(request.path):
            await connection.answer(status, orjson.dumps(change(orjson.loads(reported))))
        else:
            await connection.answer(status, reported)

    with serve(forward) as url:
        yield url
