"""One request to the supervisor of a stack."""

import socket
from contextlib import suppress

from embedstack.deploy.errors import FolderNotUsable, PartNotReady
from embedstack.deploy.native import address, protocol, record
from embedstack.deploy.places import Places
from embedstack.readers.content import Damaged

TIMEOUT = 10.0  # seconds; it answers in milliseconds


def call(places: Places, request: protocol.Request) -> protocol.Reply | None:
    """Its reply, None where no supervisor listens.

    PartNotReady where it does not answer, or refuses; FolderNotUsable where the system does not let us ask.
    """
    try:
        line = _exchange(str(address.socket_path(places)), protocol.encode(request))
    except (FileNotFoundError, NotADirectoryError, ConnectionError):
        return None
    except TimeoutError as error:
        raise _deaf(places, "does not answer") from error
    except OSError as error:
        raise FolderNotUsable(
            f"The supervisor's socket in {places.run} cannot be used: {error.strerror or error}.", record.ADVICE
        ) from error
    if not line:  # it ended before it had read the request
        return None
    try:
        answer = protocol.reply(line)
    except Damaged as error:
        raise _deaf(places, f"answers as another release would ({error})") from error
    if answer.error:
        raise PartNotReady(f"The supervisor refused: {answer.error}.", "`embedstack status` shows how the parts are.")
    return answer


def _exchange(path: str, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline()


def _deaf(places: Places, what: str) -> PartNotReady:
    left = None
    with suppress(FolderNotUsable):
        left = record.read(places)
    number = f" (process {left.pid})" if left else ""
    kill = f"End it with `kill -9 {left.pid}`" if left else "End it"
    return PartNotReady(
        f"The stack's supervisor{number} {what}.",
        f"{kill}; the parts go on, and `embedstack up` starts another supervisor for them.",
    )
