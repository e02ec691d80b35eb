"""Whether a request comes from a program on this machine, which may do more than others where nobody has a key."""

import re
from collections.abc import Iterable

from starlette.requests import Request

from embedstack.bridge.settings.hosts import is_loopback

# Pages cannot keep a browser from sending these, and nothing but a browser sends them: every name that begins with
# `Sec-` is the browser's own (Fetch, 2.2.2), as Sec-Fetch-Site.
_PAGE = re.compile(r"origin|referer|sec-.+")
# What proxies, load balancers, tunnels and CDNs add: for whom they ask. A proxy on this machine makes everybody local.
_FORWARDED = re.compile(
    r"forwarded(-.+)?|via|cdn-loop|client-ip|x-original-.+|cf-.+|fly-.+|fastly-.+|true-client-ip|tailscale-.+"
    r"|x-(forwarded|real|client|cluster-client|remote|proxyuser|originating|azure|appengine|envoy|amzn|arr)(-.+)?"
    r"|x-(realip|clientip|proxy-.+)"
)


def outsider(request: Request) -> str:
    """Who else than a program on this machine asks, in words; "" where nobody else does.

    A proxy that adds no header, as nginx with `proxy_pass` alone, cannot be told from a program.
    """
    if request.client is None or not is_loopback(request.client.host):
        return "a client that is not on this machine"
    names = request.headers.keys()
    if named := _first(_PAGE, names):
        return f"a web page (the request has the header {named})"
    if named := _first(_FORWARDED, names):
        return f"a proxy, for somebody else (the request has the header {named})"
    return ""


def _first(pattern: re.Pattern[str], names: Iterable[str]) -> str:
    return next((name for name in names if pattern.fullmatch(name)), "")
