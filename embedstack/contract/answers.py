"""The answers of a bridge's own routes, and how to recognise a bridge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedstack.contract.wire import LEFT_OUT


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """GET /v1/index: the index that documents embedded now would belong to.

    Attributes:
        fingerprint: 16 hexadecimal digits, computed from `served`, `dimensions` and `document_prefix`.
        model: its id in the catalogue.
        style: how instruction and text are joined, such as `qwen3`.
        document_prefix: the prefix of a document; "" for none.
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
    """Part of GET /v1/cache: the cache on disk.

    Attributes:
        state: on, read-only, full or off; `reason` says why.
        bytes: size of the files in `folder`; the limit is `most`.
        dropped: rows that were not written because the disk was too slow.
        damaged: damaged values that were deleted.
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
    """GET /v1/cache: the bridge's cache. `disk` None: no cache on disk is configured."""

    memory_entries: int
    memory_bytes: int
    memory_most: int
    disk: DiskStats | None


@dataclass(frozen=True, kw_only=True)
class TraceRecord:
    """Part of GET /v1/trace: a request for vectors.

    Attributes:
        seq: number of the request, counted from 1 at the bridge's start.
        time: seconds since 1970, when its answer was ready.
        door: the API of the request: ollama or openai.
        client: the key's name, or else the address.
        user: the user that the client named; "" for none.
        model: the name as sent.
        source: where the role came from: `body …`, `header X-Embed-Task`, `model alias`, `default`; "" if the request
            failed before that.
        bytes: of the texts, in UTF-8; `answer_bytes` of the answer's body.
        hit, joined, miss: numbers of texts, by where their vector came from.
        queue_ms, engine_ms, encode_ms: milliseconds waiting, at an engine, and writing the answer.
        truncated: number of truncated texts; `corrected`: of texts whose prompt was corrected, which an older bridge
            does not report.
        code: of the error; "" for none.
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
    """Part of GET /readyz: a check of an engine, and what it measured."""

    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class EngineReadiness:
    """Part of GET /readyz: an engine. The fields after `checks` are reported once they are known.

    Attributes:
        state: its current phase.
        reason: why it does not serve; `next`: what to do about it.
        engine: its kind; `version` and `engine_model`: its version and its name for the model.
        concurrency: requests that it handles at once; `in_flight`: those that it is handling now.
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
    """GET /readyz: what is served, the `fingerprint` of its vectors once it is known, and a `note` about the model."""

    ready: bool = False
    model: str | None = None
    precision: str | None = None
    fingerprint: str | None = None
    note: str | None = None
    backends: tuple[EngineReadiness, ...]


def is_bridge(said: object) -> bool:
    """Whether an answer came from a bridge, which otherwise looks like an Ollama. The answer is that of /api/version,
    or of /readyz, which needs no key.
    """
    return isinstance(said, Mapping) and ("bridge" in said or "backends" in said)
