"""What values a setting may have: their limits, and how they are shown to a person."""

import re
from typing import Annotated

from msgspec import Meta

from embedstack.bridge.settings import hosts
from embedstack.configuration.validation import InvalidError

MIB = 1024**2
WEEK = 7 * 24 * 3600

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=WEEK, extra={"allowed": "seconds above 0, at most 604800"})]
Pause = Annotated[float, Meta(ge=0, le=WEEK, extra={"allowed": "seconds, 0 to 604800"})]
KeepAlive = Annotated[float, Meta(ge=-1, le=1e9, extra={"allowed": "seconds"})]
Name = Annotated[str, Meta(min_length=1, extra={"allowed": "a name"})]
Style = Annotated[str, Meta(min_length=1, extra={"allowed": "a style of the catalogue"})]
TaskName = Annotated[str, Meta(min_length=1, extra={"allowed": "a role or a task"})]
Precision = Annotated[str, Meta(min_length=1, extra={"allowed": "a precision of the model"})]
HostName = Annotated[str, Meta(extra={"allowed": "a host name, *.DOMAIN, an IP address or a network, or *"})]
Origin = Annotated[str, Meta(extra={"allowed": "SCHEME://HOST[:PORT], SCHEME://*.DOMAIN[:PORT], SCHEME://*, or *"})]
Host = Annotated[str, Meta(min_length=1, extra={"allowed": "an IP address or a host name"})]
Secret = Annotated[str, Meta(min_length=1, extra={"secret": True, "allowed": "text"})]
IndexFingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z", extra={"allowed": "16 hexadecimal digits"})]
Share = Annotated[float, Meta(ge=0, lt=1, extra={"allowed": "a share, 0 to below 1"})]
Bound = Annotated[int, Meta(ge=0, extra={"unit": "bytes", "allowed": "a size: bytes, or as '64 MiB'; 0 is none"})]
Size = Annotated[int, Meta(ge=1, extra={"unit": "bytes", "allowed": "a size: bytes, or as '64 MiB'"})]
Url = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#]+\S*\Z", extra={"allowed": "http://HOST[:PORT], https://HOST[:PORT]"})
]
Duration = Annotated[  # Go's; Ollama refuses text without a unit
    str,
    Meta(
        pattern=r"^-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+\Z",
        extra={"allowed": "a duration as '5m' or '1h30m'"},
    ),
]

_LONGEST_KEY = 16 * 1024  # bytes; many servers and proxies take less in one header
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_key(field: str, key: str | None) -> None:
    """InvalidError for `field`, which does not show it, where no header can carry the key: it would never match."""
    if key is None:
        return
    problem = ""
    if _CONTROL.search(key):
        problem = "has a line break, a tab or another control character"
    elif key != key.strip(" "):
        problem = "begins or ends with a space"
    elif any("\ud800" <= character <= "\udfff" for character in key):
        problem = "has half a surrogate pair, which is not a character"
    elif len(key.encode()) > _LONGEST_KEY:
        problem = f"is longer than {_LONGEST_KEY} bytes"
    if problem:
        raise InvalidError(field, f"the key {problem}, and no header carries that; remove it, or choose another key")


def check_url(field: str, url: str | None) -> None:
    """InvalidError for `field` where nothing can be reached by the URL."""
    problem = "" if url is None else hosts.not_reached_by(url)
    if problem:
        raise InvalidError(field, f"the URL leads nowhere: {problem}")  # not shown: it may have a password
