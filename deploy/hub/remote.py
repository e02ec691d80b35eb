"""Asking the Hub: what it says of a file, and its bytes from any place on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub import library
from embedstack.deploy.hub.source import Source, token
from embedstack.deploy.hub.wanted import Wanted

TIMEOUT = 10.0  # seconds without a byte: the library's own


class CutShort(httpx2.TransportError):
    """The body ended early, and nothing said so."""


def look(wanted: Wanted, source: Source) -> None:
    """Ask before the first byte whether this Hub has this file. WrongBytes if it has another of that name.

    A mirror that leaves size or digest out passes: both are known, and checked when the file is here.
    """
    told = library.get_hf_file_metadata(_url(wanted, source), token(os.environ), TIMEOUT, endpoint=source.url)
    etag = told.etag if told.etag and len(told.etag) == len(wanted.digest) else wanted.digest
    if (etag, told.size or wanted.bytes) != (wanted.digest, wanted.bytes):
        raise WrongBytes(
            f"{source.url} offers another {wanted.name}: {told.size} bytes with digest {etag}; expected were "
            f"{wanted.bytes} bytes with {wanted.digest}.",
            "Take another mirror, or none: leave out --endpoint and HF_ENDPOINT.",
        )


@contextmanager
def body(wanted: Wanted, source: Source, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The bytes from `offset` on, and where they really begin: at 0 where a server knows no ranges.

    Always by plain HTTP, and from the Hub's own address: Xet's client does not go on with a partial file, few mirrors
    have it, and the signed address of a CDN is worth nothing an hour later.
    """
    headers = {**_headers(), "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    url = _url(wanted, source)
    # httpx2 drops the token where a redirect leaves the Hub for its CDN.
    with library.get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
        library.hf_raise_for_status(response)
        begins = offset if response.headers.get("Content-Range", "").startswith(f"bytes {offset}-") else 0
        yield begins, response.iter_raw()


def _headers() -> dict[str, str]:
    return library.build_hf_headers(token=token(os.environ))


def _url(wanted: Wanted, source: Source) -> str:
    return library.hf_hub_url(wanted.repository, wanted.name, revision=wanted.revision, endpoint=source.url)
