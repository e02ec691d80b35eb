"""What the pipeline needs of an engine, and the faults by which it tells one trouble from another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from embedstack.bridge.errors import EngineUnavailable
from embedstack.bridge.request import KeepAlive
from embedstack.vectors.mrl import Vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need


class EngineBusy(EngineUnavailable):
    """The engine said "later": 503, or a model that is still loading."""

    code = "engine_busy"


class EngineDown(EngineUnavailable):
    """Nothing accepts connections at the engine's address, or the runner behind it is not up: no text did it."""

    code = "engine_down"


class EngineDied(EngineUnavailable):
    """The connection broke within a request, or the runner behind the engine ended; a text may have done it, unless
    `may_be_text` is False."""

    code = "engine_died"
    may_be_text = True


class EngineKilled(EngineDied):
    """It was ended from outside within a request: by the out-of-memory killer, a person, or the bridge itself."""

    may_be_text = False


class EngineGarbled(EngineDied):
    """It lives, but what it sends is not an answer, or none that ends: nothing died, so no text is suspected."""

    status = HTTPStatus.BAD_GATEWAY
    code = "engine_answer_invalid"
    may_be_text = False


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself and of the model. `context` in tokens; None where it does not say."""

    kind: str
    version: str
    model: str
    context: int | None
    dimensions: int | None = None
    quantisation: str | None = None
    digest: str = ""
    size: int = 0
    modified_at: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors as the engine made them, not yet checked, and the tokens it counted, EOS included. `counts`: of each
    text, where the engine says; `cancelled`: texts whose vectors were not made, since nobody waits for them.
    """

    vectors: Vectors
    tokens: int
    counts: Sequence[int] = ()
    cancelled: frozenset[int] = frozenset()


@dataclass(slots=True)
class Call:
    """What an engine may know of a call beside its texts, and what may happen to it meanwhile. Engines that have no use
    for it pay no heed.

    Attributes:
        urgent: somebody waits for the answer to a question: documents let it pass.
        prompts: what each text begins with that others may begin with too; "" where nothing is known.
        on_cancel: set by an engine that can leave texts alone: called with the index of one that nobody waits for.
    """

    urgent: bool = False
    prompts: Sequence[str] = ()
    on_cancel: Callable[[int], None] | None = None

    def cancel(self, index: int) -> None:
        """Nobody waits for this text any more."""
        if self.on_cancel:
            self.on_cancel(index)


class Backend(Protocol):
    """An engine over the wire. Every method raises a BridgeError and nothing else."""

    name: str
    # Whether `embed` can be asked for float numbers and for base64, so that the two can be compared.
    offers_base64: bool

    @property
    def preempts(self) -> bool:
        """Whether a question may be sent while it computes documents: it is answered first."""

    async def start(self) -> None:
        """Bring up what belongs to the bridge itself. An engine that is not ours is left alone."""

    async def facts(self) -> EngineFacts:
        """Ask the engine what it is and what it serves. EngineUnavailable, EngineRefused."""

    async def embed(
        self, texts: Sequence[str], *, keep_alive: KeepAlive = None, as_float: bool = False, call: Call | None = None
    ) -> Embedded:
        """Full vectors (n, native) of final texts, in order. EngineError's kinds."""

    async def preload(self, keep_alive: KeepAlive) -> None:
        """Load the model, and set how long it stays."""

    async def reset(self) -> None:
        """Unload the model or restart the engine, so that broken state is gone."""

    async def loaded(self) -> Mapping[str, Any] | None:
        """The engine's own /api/ps entry, empty while the model is unloaded; None where a model is never unloaded."""

    async def identity(self) -> str:
        """A sign of what the engine serves right now, the same for as long as that is; loads no model. EngineNotReady
        where it is gone."""

    async def tokenizer(self) -> "Tokenizer":
        """The engine's own vocabulary. EngineRefused where it has none to give."""

    async def close(self) -> None:
        """Give back connections and processes."""
