"""The answers of a bridge's own routes, and whether it is a bridge that answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedstack.contract.wire import LEFT_OUT


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """GET /v1/index: what documents embedded now would be an index of.

    Attributes:
        fingerprint: 16 hexadecimal digits over the three that decide: `served`, `dimensions` and `document_prefix`.
        model: its id in the catalogue.
        style: how instruction and text are joined, as `qwen3`.
        document_prefix: what is put before a document; "" for nothing.
        served: the X-Embed-Fingerprint of the vectors: model, precision, weights, style.
    """

    fingerprint: str
    model: str
    precision: str
    dimensions: int
    style: str
    document_prefix: str
    served: str


@dataclass(frozen=True, slots=True)
class DiskStats:
    """Of GET /v1/cache: what is kept on disk.

    Attributes:
        state: on, read-only, full or off, and `reason` why.
        bytes: of `most` in the files of `folder`.
        dropped: rows that came faster than the disk took them.
        damaged: values that were thrown away.
    """

    folder: str
    state: str
    reason: str
    entries: int
    bytes: int
    most: int
    faults: int
    evicted: int
    dropped: int
    damaged: int


@dataclass(frozen=True)
class CacheStats:
    """GET /v1/cache: what a bridge keeps; `disk` None: there is none, as configured."""

    memory_entries: int
    memory_bytes: int
    memory_most: int
    disk: DiskStats | None


@dataclass(frozen=True, kw_only=True)
class TraceRecord:
    """Of GET /v1/trace: a request for vectors.

    Attributes:
        seq: counts the bridge's requests from 1 at its start.
        time: seconds since 1970, when its answer was ready.
        door: the API that was asked: ollama or openai.
        client: the key's name, else the address.
        user: whom the client named as its user, "" for nobody.
        model: the name as sent.
        source: what said the role: `body …`, `header X-Embed-Task`, `model alias`, `default`; "" where it never came
            to that.
        bytes: of the texts, in UTF-8; `answer_bytes` of the answer's body.
        hit, joined, miss: of the texts, by where their vector came from.
        queue_ms, engine_ms, encode_ms: milliseconds waiting, at an engine, and writing the answer.
        truncated: texts that were cut; `corrected` those whose own prompt was put right, which an older bridge does not
            tell.
        code: of the error, "" for none.
        input: the first characters of the texts as sent; None unless the bridge records them.
    """

    seq: int
    time: float
    door: str
    client: str
    user: str
    model: str
    role: str
    task: str
    source: str
    dimensions: int
    texts: int
    bytes: int
    tokens: int
    hit: int
    joined: int
    miss: int
    queue_ms: float
    engine_ms: float
    encode_ms: float
    answer_bytes: int
    truncated: int
    corrected: int = 0
    status: int
    code: str
    input: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """Of GET /readyz: a check of an engine, and what it measured."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class EngineReadiness:
    """Of GET /readyz: an engine. What stands below `checks` is reported once it is known.

    Attributes:
        state: the phase that it is in.
        reason: why it does not serve; `next`: what to do about it.
        engine: its kind; `version` and `engine_model`: what it calls itself and the model.
        concurrency: requests that it takes at once; `in_flight` of them it has.
    """

    name: str
    ready: bool
    state: str = ""
    reason: str | None = None
    next: str | None = None
    checks: tuple[EngineCheck, ...] = ()
    engine: str | None = field(default=None, metadata=LEFT_OUT)
    version: str | None = field(default=None, metadata=LEFT_OUT)
    engine_model: str | None = field(default=None, metadata=LEFT_OUT)
    concurrency: int | None = field(default=None, metadata=LEFT_OUT)
    in_flight: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """GET /readyz: what is served, the `fingerprint` of its vectors once they are known, and what to know of the model
    as a `note`.
    """

    ready: bool = False
    model: str | None = None
    precision: str | None = None
    fingerprint: str | None = None
    note: str | None = None
    backends: tuple[EngineReadiness, ...]


def is_bridge(said: object) -> bool:
    """Whether a bridge has answered, which speaks as Ollama does: by what it says at /api/version or, where no key is
    needed, at /readyz.
    """
    return isinstance(said, Mapping) and ("bridge" in said or "backends" in said)
