"""Everything the bridge answers instead of a vector.

BridgeError
├── BadRequest                 400  the request cannot mean anything
│   ├── DimensionsOutOfRange   400
│   └── TooLong                400
├── Unauthorized               401
├── Forbidden                  403
├── UnknownModel               404
├── NotFound                   404
├── MethodNotAllowed           405
├── BodyTimeout                408
├── IndexMismatch              409
├── TooLarge                   413
├── UnsupportedEncoding        415
├── ClientGone                 499  nobody is left to read the answer
├── QueueFull                  503
├── BodiesFull                 503  the bodies of other requests leave no room
├── DeadlineMissed             503
├── NotKept                    507  the disk does not take it
└── EngineError                502  the engine, not the client, is at fault
    ├── EngineAnswerInvalid    502
    ├── EngineRefused          502
    ├── TextKillsEngine        502
    ├── EngineUnavailable      503
    │   └── EngineNotReady     503
    └── EngineTimeout          504

Each says what happened and why (`message`), what to do next (`advice`), and carries a stable `code`; a door turns it
into the error shape of its own API.
"""

import copy
import re
import reprlib
from http import HTTPStatus
from typing import Self

from embedstack.words import joined, sentence

_REPR = reprlib.Repr()
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother, _REPR.maxlist = 3, 60, 60, 5


def shown(value: object) -> str:
    """A wrong value as it stands in a message: short whatever was sent, a megabyte or a thousand brackets deep."""
    # reprlib would sort the keys first, a million of them where a million was sent.
    if isinstance(value, dict) and len(value) > 5:
        return f"an object of {len(value)} fields"
    text = _REPR.repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def encodable(text: str) -> str:
    """With lone surrogates written as escapes: what is said of a bad string must itself be one that can be sent. A text
    without any comes back as it is.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


class BridgeError(Exception):
    """An answer that is not a vector. `retry_after` is in seconds, None where a retry would not help."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"
    # Whether one text of a request is at fault; a request of several learns which.
    about_text: bool = False

    def __init__(self, message: str, advice: str = "", *, code: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = sentence(message)
        self.advice = sentence(advice)
        self.code = code or type(self).code
        self.retry_after = retry_after

    def __str__(self) -> str:
        return encodable(joined(self.message, self.advice))

    def at(self, index: int) -> Self:
        """The same error, naming the text by its place in the request."""
        located = copy.copy(self)
        located.message = f"input {index}: {self.message}"
        return located


class BadRequest(BridgeError):
    status = HTTPStatus.BAD_REQUEST
    code = "invalid_request"


class DimensionsOutOfRange(BadRequest):
    code = "dimensions_out_of_range"

    def __init__(self, value: object, lowest: int, native: int, field: str = "dimensions") -> None:
        super().__init__(
            f"{field[:60]} is {shown(value)}, but must be a whole number from {lowest} to {native}.",
            f"Leave it out for the model's own {native}.",
        )


class TooLong(BadRequest):
    code = "input_too_long"
    about_text = True


class Unauthorized(BridgeError):
    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"


class Forbidden(BridgeError):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"


class UnknownModel(BridgeError):
    status = HTTPStatus.NOT_FOUND
    code = "model_not_found"


class NotFound(BridgeError):
    status = HTTPStatus.NOT_FOUND
    code = "not_found"


class MethodNotAllowed(BridgeError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"


class BodyTimeout(BridgeError):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body_timeout"


class IndexMismatch(BridgeError):
    """The vectors would not fit the index that they are for."""

    status = HTTPStatus.CONFLICT
    code = "index_mismatch"


class TooLarge(BridgeError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "request_too_large"


class UnsupportedEncoding(BridgeError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_encoding"


class NotKept(BridgeError):
    """What must outlive the process cannot be written; nothing has changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "index_not_kept"


class QueueFull(BridgeError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "queue_full"


class BodiesFull(BridgeError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "bodies_full"


class DeadlineMissed(BridgeError):
    """The client's own time runs out before an engine is free."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "deadline_missed"


class ClientGone(BridgeError):
    """Nobody is left to read the answer; the status stands in logs and metrics alone."""

    status = 499
    code = "client_gone"


class EngineError(BridgeError):
    status = HTTPStatus.BAD_GATEWAY
    code = "engine_error"


class EngineAnswerInvalid(EngineError):
    """The engine answered 200 with something that is not the vectors asked for."""

    code = "engine_answer_invalid"


class EngineRefused(EngineError):
    """The engine refused a request that the bridge holds to be right."""

    code = "engine_refused"


class TextKillsEngine(EngineError):
    code = "text_kills_engine"
    about_text = True


class EngineUnavailable(EngineError):
    """The engine cannot be reached, broke the connection, or said that it is busy or loading."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "engine_unavailable"


class EngineNotReady(EngineUnavailable):
    code = "engine_not_ready"


class EngineTimeout(EngineError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "engine_timeout"
