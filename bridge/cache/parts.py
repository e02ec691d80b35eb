"""Whose vectors are whose: with `cache.scope: key` no API key learns from a hit what another has embedded.

A part is known by the key itself, not by its name: a key that is replaced begins with nothing, and what its predecessor
left is evicted in time. Of the key nothing is written down. A row of a part lies under a digest of the part's id, and
that is scrypt of the key with a salt of the cache's own folder: anyone who has the folder can try guesses, at 50 ms and
16 MB each.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from embedstack.bridge.settings.security import ApiKey
from embedstack.host import files

log = logging.getLogger(__name__)

SALT = "scope.salt"
_BYTES = 32  # of the salt, and of a part's id
_COST, _BLOCK, _LANES = 2**14, 8, 1  # scrypt's: RFC 7914 for logins


class Parts:
    """One for all, or one for each of the keys and one for anyone who has none."""

    def __init__(self, keys: Iterable[ApiKey] = (), salt: bytes = b"") -> None:
        self._ids = {key.key: _part(key.key, salt) for key in keys if key.key}

    def keys(self, owner: ApiKey | None, keys: Sequence[bytes]) -> Sequence[bytes]:
        """The keys of the cache (bridge.index.fingerprint) as they are in the owner's part, 32 bytes each."""
        part = self._ids.get(owner.key or "") if owner else None
        return keys if part is None else [hashlib.sha256(part + key).digest() for key in keys]


def open_parts(keys: Sequence[ApiKey], folder: Path | None) -> Parts:
    """A part for each of the keys. `folder` None: they are parts of a cache in memory alone."""
    return Parts(keys, _salt(folder)) if keys else Parts()


def _part(key: str, salt: bytes) -> bytes:
    return hashlib.scrypt(key.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=_BYTES)


def _salt(folder: Path | None) -> bytes:
    """The folder's, made where there is none. One that cannot be kept parts memory as well; what is on disk is then
    found by nobody after the next start.
    """
    fresh = secrets.token_bytes(_BYTES)
    if folder is None:
        return fresh
    path = folder / SALT
    try:
        kept = files.create(path, fresh)
        if len(kept) == _BYTES:
            return kept
        log.warning("%s is damaged and made new: vectors that keys have in the cache are computed once more", path)
        files.write(path, fresh)
    except OSError as error:
        log.warning(
            "%s cannot be kept: what keys have in the cache is theirs until the next start alone (%s)", path, error
        )
    return fresh
