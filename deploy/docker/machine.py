"""What the containers have to know of this machine."""

from __future__ import annotations

import resource
import socket

import psutil

from embedstack.deploy.docker.variables import Machine

DESCRIPTORS = 65536
"""Enough for the thousands of connections that Open WebUI opens for one document, in each part."""


def machine(groups: tuple[int, int] | None) -> Machine:
    """`groups` as the daemon's facts have them."""
    name = socket.gethostname()
    families = (socket.AF_INET, socket.AF_INET6)
    addresses = [
        address.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for address in interface
        if address.family in families
    ]
    names = tuple(dict.fromkeys((name, name.partition(".")[0], *addresses)))
    # A daemon without CAP_SYS_RESOURCE, as a rootless one, gives no more than the machine gives to us.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Machine(names, groups, DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most))
