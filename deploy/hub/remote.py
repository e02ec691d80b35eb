"""Asking the Hub: what it says of a file, and its bytes from any place on.

huggingface_hub, as this toolkit wants it. What imports this does so only where the network is needed.

It takes 0.3 s to import, and most runs of `up` find every file on the disk.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported lazily, which mypy does not see
    WeakFileLock,
    build_hf_headers,
    parse_ratelimit_headers,
)

from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub.source import Source, WantedFile, token

# Without this, 2.4 asks huggingface.co/api/agent-harnesses before its first request, whatever mirror is named.
constants.HF_HUB_DISABLE_TELEMETRY = True
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what goes wrong is reported by us, once

__all__ = [
    "HfHubHTTPError",
    "OfflineModeIsEnabled",
    "WeakFileLock",
    "build_hf_headers",
    "get_hf_file_metadata",
    "get_session",
    "hf_hub_url",
    "hf_raise_for_status",
    "parse_ratelimit_headers",
]


TIMEOUT = 10.0  # seconds without a byte: the library's own


class CutShort(httpx2.TransportError):
    """The body ended early, and nothing said so."""


def look(wanted: WantedFile, source: Source) -> None:
    """Ask before the first byte whether this Hub has this file. WrongBytes if it has another of that name.

    A mirror that leaves size or digest out passes: both are known, and checked when the file is here.
    """
    answer = get_hf_file_metadata(_url(wanted, source), token(os.environ), TIMEOUT, endpoint=source.url)
    etag = answer.etag if answer.etag and len(answer.etag) == len(wanted.digest) else wanted.digest
    if (etag, answer.size or wanted.bytes) != (wanted.digest, wanted.bytes):
        raise WrongBytes(
            f"{source.url} offers another {wanted.name}: {answer.size} bytes with digest {etag}; expected were "
            f"{wanted.bytes} bytes with {wanted.digest}.",
            "Take another mirror, or none: leave out --endpoint and HF_ENDPOINT.",
        )


@contextmanager
def body(wanted: WantedFile, source: Source, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The bytes from `offset` on, and where they really begin: at 0 where a server knows no ranges.

    Always by plain HTTP, and from the Hub's own address: Xet's client does not go on with a partial file, few mirrors
    have it, and the signed address of a CDN is worth nothing an hour later.
    """
    headers = {**_headers(), "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    url = _url(wanted, source)
    # httpx2 drops the token where a redirect leaves the Hub for its CDN.
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
        hf_raise_for_status(response)
        begins = offset if response.headers.get("Content-Range", "").startswith(f"bytes {offset}-") else 0
        yield begins, response.iter_raw()


def _headers() -> dict[str, str]:
    return build_hf_headers(token=token(os.environ))


def _url(wanted: WantedFile, source: Source) -> str:
    return hf_hub_url(wanted.repository, wanted.name, revision=wanted.revision, endpoint=source.url)
