"""An Open WebUI that no stack of ours started, and the bridge that it is to ask, as a command line names them."""

from __future__ import annotations

from dataclasses import dataclass

from embedstack.deploy.errors import InvalidSettings


@dataclass(frozen=True, repr=False)
class Elsewhere:
    """As it was typed.

    Attributes:
        token: of one of its administrators, of a session or an API key.
        bridge: its address as that Open WebUI reaches it, None for the stack's own.
        bridge_here: the same as this machine reaches it, None if that is the same.
        bridge_key: what Open WebUI shall show the bridge, None where it asks for none.
        admin_key: what opens the bridge's trace, None: the stack's own.
    """

    url: str
    token: str
    bridge: str | None = None
    bridge_here: str | None = None
    bridge_key: str | None = None
    admin_key: str | None = None


def elsewhere(
    url: str | None,
    token: str | None,
    bridge: str | None = None,
    bridge_here: str | None = None,
    bridge_key: str | None = None,
    admin_key: str | None = None,
) -> Elsewhere | None:
    """None where no address is given: the stack's own is meant. InvalidSettings for one without a token."""
    if url is None:
        if bridge or bridge_here:
            raise InvalidSettings(
                "--bridge is for an Open WebUI that no stack of embedstack started.", "Name that with --url."
            )
        return None
    if not token:
        raise InvalidSettings(
            f"There is no token for {url}.",
            "Sign in there as an administrator; Settings, Account has an API key, and the browser's local storage the "
            "session's token. Put it into EMBEDSTACK_WEBUI_TOKEN, or give it with --token.",
        )
    return Elsewhere(url.rstrip("/"), token, _plain(bridge), _plain(bridge_here), bridge_key, admin_key)


def _plain(url: str | None) -> str | None:
    """Open WebUI puts its path behind the address as it stands: a slash at the end would be two."""
    return url.rstrip("/") if url else None
