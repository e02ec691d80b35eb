"""Which addresses mean this machine. Pure."""

import ipaddress

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- only services that the user exposes listen there
FROM_CONTAINERS = "host.docker.internal"
"""The name of this machine inside a container."""


def is_loopback(host: str) -> bool:
    """Whether a name or an address, with or without brackets, can be reached only from this machine."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    address = _address(bare)
    return address is not None and address.is_loopback


def is_here(host: str) -> bool:
    """Whether a connection to `host` reaches this machine. That includes addresses that mean "all"."""
    address = _address(host.strip("[]"))
    return is_loopback(host) or (address is not None and address.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None  # 3.13 does this itself
    return mapped or address
