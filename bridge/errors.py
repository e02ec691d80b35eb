"""The errors that the bridge answers with instead of vectors.

BridgeError
├── BadRequest                 400  the request makes no sense
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
├── BodiesFull                 503  the bodies of other requests take all the memory
├── DeadlineMissed             503
├── NotKept                    507  the disk cannot be written to
└── EngineError                502  the engine, not the client, is at fault
    ├── EngineAnswerInvalid    502
    ├── EngineRefused          502
    ├── TextKillsEngine        502
    ├── EngineUnavailable      503
    │   └── EngineNotReady     503
    └── EngineTimeout          504

Each error says what happened and why (`message`) and what to do next (`advice`), and carries a stable `code`. A door
turns it into the error shape of its API.
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
    """A wrong value for a message. The text is short even if the value has a megabyte or a thousand levels."""
    # reprlib would sort the keys first, even if the object has a million of them.
    if isinstance(value, dict) and len(value) > 5:
        return f"an object of {len(value)} fields"
    text = _REPR.repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def encodable(text: str) -> str:
    """The text with lone surrogates written as escapes, since a message that quotes it must be valid UTF-8. A text
    without lone surrogates is returned unchanged.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


class BridgeError(Exception):
    """An answer that is not a vector. `retry_after` is in seconds; None if a retry would not help."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    code: str = "internal_error"
    # Whether a single text is at fault; a request with several texts is answered with the text's index.
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
        """The same error, with the index of the text in the request."""
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
    """The vectors would not match the index that they are for."""

    status = HTTPStatus.CONFLICT
    code = "index_mismatch"


class TooLarge(BridgeError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "request_too_large"


class UnsupportedEncoding(BridgeError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_encoding"


class NotKept(BridgeError):
    """Data that must outlive the process cannot be written to disk; nothing has changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    code = "index_not_kept"


class QueueFull(BridgeError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "queue_full"


class BodiesFull(BridgeError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "bodies_full"


class DeadlineMissed(BridgeError):
    """The client's deadline passes before an engine is free."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "deadline_missed"


class ClientGone(BridgeError):
    """The client has closed the connection; the status appears in logs and metrics only."""

    status = 499
    code = "client_gone"


class EngineError(BridgeError):
    status = HTTPStatus.BAD_GATEWAY
    code = "engine_error"


class EngineAnswerInvalid(EngineError):
    """The engine answered 200, but not with the requested vectors."""

    code = "engine_answer_invalid"


class EngineRefused(EngineError):
    """The engine refused a request that the bridge considers valid."""

    code = "engine_refused"


class TextKillsEngine(EngineError):
    code = "text_kills_engine"
    about_text = True


class EngineUnavailable(EngineError):
    """The engine cannot be reached, closed the connection, or reported that it is busy or loading."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "engine_unavailable"


class EngineNotReady(EngineUnavailable):
    code = "engine_not_ready"


class EngineTimeout(EngineError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "engine_timeout"
