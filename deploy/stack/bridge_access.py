"""Where a bridge is asked as its administrator, and with which key: a stack's own is known here."""

from dataclasses import dataclass, field

from embedstack.deploy import record, secrets
from embedstack.deploy.errors import NotRunning
from embedstack.deploy.places import places


@dataclass(frozen=True)
class Access:
    """`key` None: none is known, and a bridge on this machine may want none. `model`: of the stack's own bridge."""

    url: str
    key: str | None = field(repr=False)
    model: str | None = None


def access(stack: str, url: str | None, key: str | None, *, otherwise: str) -> Access:
    """The bridge at `url`, else the stack's, else the one `otherwise`. `key` counts more than the stack's own, which no
    other bridge is ever sent.
    """
    where = places(stack)
    try:
        up = record.read(where)
        own = up.bridge_url
    except NotRunning:
        return Access(url or otherwise, key)
    if url is not None and url.rstrip("/") != own.rstrip("/"):
        return Access(url, key)
    try:
        known = secrets.read(where, lambda _: None).bridge_admin_key
    except NotRunning:
        known = None
    return Access(own, key or known, up.model)
