"""Which addresses are this machine. Pure."""

import ipaddress

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- only what is asked to be exposed listens there
FROM_CONTAINERS = "host.docker.internal"
"""This machine, as a container names it."""


def is_loopback(host: str) -> bool:
    """Whether a name or an address, brackets or not, is this machine's alone."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    address = _address(bare)
    return address is not None and address.is_loopback


def is_here(host: str) -> bool:
    """Whether one who connects to `host` reaches this machine: at an address that means "all", too."""
    address = _address(host.strip("[]"))
    return is_loopback(host) or (address is not None and address.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None  # 3.13 looks inside, 3.11 not
    return mapped or address
