"""The checks, in the order in which they are reported: what a server is asked, and the verdict on its answers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from embedstack.deploy.errors import BridgeRefused
from embedstack.deploy.smoke import verdicts
from embedstack.deploy.smoke.result import Check
from embedstack.deploy.smoke.server import CALLED, Answered, EmbeddingServer
from embedstack.deploy.smoke.verdicts import SmokeVerdict
from embedstack.models.model import Model, Reference, Scores
from embedstack.vectors.mrl import Vectors

CUTS = (32, 1024)
QUESTION = "What is the capital of China?"
Ask = Callable[[], SmokeVerdict]


@dataclass(frozen=True)
class Subject:
    """A server, the model that it is to serve, at which precision, and its answers that several checks look at."""

    server: EmbeddingServer
    model: Model
    precision: str
    reference: Reference

    @cached_property
    def single(self) -> tuple[Answered, ...]:
        """Each reference text in a request of its own."""
        return tuple(self.server.embed([text]) for text in self.reference.texts)

    @cached_property
    def together(self) -> Answered:
        return self.server.embed(self.reference.texts)

    @property
    def vectors(self) -> Vectors:
        sizes = {answer.vectors.shape[1] for answer in self.single}
        if len(sizes) > 1:
            raise BridgeRefused(f"The vectors have {' and '.join(map(str, sorted(sizes)))} numbers.")
        return np.concatenate([answer.vectors for answer in self.single])


def check(subject: Subject) -> Iterator[Check]:
    """Every check, one after another. A server that refuses what it must answer fails the check; one that is gone
    fails all that are left.
    """
    for name, ask in _all(subject):
        began = time.perf_counter()
        try:
            verdict = ask()
        except BridgeRefused as error:
            verdict = SmokeVerdict(False, error.message, "an answer")
        yield Check(name, verdict.passed, verdict.value, verdict.must, time.perf_counter() - began)


def _all(subject: Subject) -> Iterator[tuple[str, Ask]]:
    model, reference = subject.model, subject.reference
    yield "version", partial(_version, subject)
    yield "ready", partial(_only_a_bridge, subject, _ready)
    yield "model", partial(_model, subject)
    yield "dimensions", lambda: verdicts.dimensions(subject.vectors, model.dimensions)
    yield "unit norm", lambda: verdicts.norm(subject.vectors)
    yield "token counts", partial(_tokens, subject)
    yield "single = batch", lambda: verdicts.same(subject.vectors, subject.together.vectors)
    for size in (size for size in CUTS if size < model.dimensions):
        yield f"cut to {size}", partial(_cut, subject, size)
    yield "cut out of range", partial(_only_a_bridge, subject, _out_of_range)
    yield "roles differ", partial(_only_a_bridge, subject, _roles)
    yield "query prompt", partial(_only_a_bridge, subject, _prompt)
    known = reference.scores_for(subject.precision)
    for scores in known:
        yield f"scores at {scores.dimensions}", partial(_scores, subject, scores)
    if not known:
        yield "scores", lambda: SmokeVerdict(None, f"none is known of {model.id} at {subject.precision}", "")
    if reference.margin is not None and reference.compares:
        yield "right document first", partial(_margin, subject, reference.margin)


def _version(subject: Subject) -> SmokeVerdict:
    server = subject.server
    return SmokeVerdict(bool(server.version), f"{CALLED[server.kind]} {server.version}", "a version")


def _only_a_bridge(subject: Subject, ask: Callable[[Subject], SmokeVerdict]) -> SmokeVerdict:
    if subject.server.kind == "bridge":
        return ask(subject)
    return SmokeVerdict(None, f"not offered here: {CALLED[subject.server.kind]}, not the bridge", "")


def _ready(subject: Subject) -> SmokeVerdict:
    """Also what no client can see through the bridge's cache: its own examination of each engine."""
    must = "every engine has passed the bridge's checks"
    backends = subject.server.ready.backends if subject.server.ready else ()
    wrong = [f"{backend.name}: {backend.reason}" for backend in backends if not backend.ready]
    return SmokeVerdict(bool(backends) and not wrong, "; ".join(wrong) or f"{len(backends)} of {len(backends)}", must)


def _model(subject: Subject) -> SmokeVerdict:
    server, wanted = subject.server, subject.model.id
    if (ready := server.ready) is not None:
        message = f"{ready.model} at {server.precision}, fingerprint {ready.fingerprint}"
        return SmokeVerdict(ready.model == wanted, message, wanted)
    bare = server.model.removesuffix(":latest")
    here = any(name.removesuffix(":latest") == bare for name in server.names)
    return SmokeVerdict(here, ", ".join(server.names) or "none", f"a list with {server.model}")


def _tokens(subject: Subject) -> SmokeVerdict:
    counts = [answer.tokens for answer in subject.single]
    return verdicts.tokens(subject.reference.tokens, counts, subject.together.tokens)


def _cut(subject: Subject, size: int) -> SmokeVerdict:
    """vLLM cuts only where it was started with a Matryoshka override, llama-server never."""
    if subject.server.kind == "openai":
        return SmokeVerdict(None, "not offered here: OpenAI-shaped server, not the bridge", "")
    return verdicts.cut_of(subject.vectors, subject.server.embed(subject.reference.texts, size).vectors, size)


def _out_of_range(subject: Subject) -> SmokeVerdict:
    wrong = (subject.model.min_dimensions - 1, subject.model.dimensions + 1)
    server = subject.server
    got = [server.client.status(server.path, server.body([QUESTION], size)) for size in wrong]
    message = ", ".join(f"{status} to {size}" for size, status in zip(wrong, got, strict=True))
    return SmokeVerdict(got == [400, 400], message, "a 400 to each")


def _roles(subject: Subject) -> SmokeVerdict:
    query, document = (subject.server.embed([QUESTION], role=role).vectors for role in ("query", "document"))
    return verdicts.differ(query, document)


def _prompt(subject: Subject) -> SmokeVerdict:
    """A query is embedded as the text that /v1/render shows for it: a text with its prompt is left alone."""
    server = subject.server
    rendered = server.client.render(QUESTION, model=server.model, role="query")
    verdict = verdicts.same(server.embed([rendered]).vectors, server.embed([QUESTION], role="query").vectors)
    return SmokeVerdict(verdict.passed, f"{rendered!r}, {verdict.value}", verdict.must)


def _scores(subject: Subject, scores: Scores) -> SmokeVerdict:
    return verdicts.scores(subject.vectors, subject.reference, scores)


def _margin(subject: Subject, least: float) -> SmokeVerdict:
    return verdicts.margin(subject.vectors, subject.reference, least)
