"""Which addresses are this machine."""

from __future__ import annotations

import pytest

from embedstack.host.addresses import is_here, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")),
        *((host, True) for host in ("::ffff:127.0.0.1", "::ffff:7f00:1")),
        *((host, False) for host in ("192.168.1.5", "::", "fe80::1", "::ffff:1.2.3.4", "notlocalhost", "")),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    """By its names, and by its addresses in both families, one inside the other too."""
    assert expected == is_loopback(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "[::]")),  # noqa: S104
        *((host, False) for host in ("192.168.1.5", "host.docker.internal", "bridge", "")),
    ],
)
def test_all_addresses_are_this_machine_to_who_connects(host: str, expected: bool) -> None:
    """What listens on every address is reached here; a name that only some know is not taken for this machine."""
    assert expected == is_here(host)
