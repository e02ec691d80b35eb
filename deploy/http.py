"""HTTP, as the toolkit speaks it: to parts of a stack, which are asked without the environment's proxies."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests import Response

from embedstack.host.addresses import is_here

__all__ = ["HttpServer", "NoAnswer", "Response", "behind_proxies", "get_json", "session"]


class NoAnswer(Exception):
    """Nobody answers there, or not in time; the message says why."""


def session(key: str | None = None, *, proxies: bool = False) -> requests.Session:
    """`proxies`: whether those of the environment count, and what else it says of HTTP, as REQUESTS_CA_BUNDLE."""
    made = requests.Session()
    made.trust_env = proxies
    made.headers["User-Agent"] = "embedstack"
    if key:
        made.headers["Authorization"] = f"Bearer {key}"
    return made


def behind_proxies(url: str) -> bool:
    """Whether a proxy of the environment may lie on the way there: none knows a way back to this machine."""
    return not is_here(urlsplit(url).hostname or "")


def get_json(url: str, timeout: float) -> Any:
    """What it answers; None where nobody does within `timeout` seconds, with an error, or with no JSON."""
    try:
        with session(proxies=behind_proxies(url)) as asked:
            answer = asked.get(url, timeout=timeout)
            return answer.json() if answer.ok else None
    except (requests.RequestException, ValueError):  # the latter also of what is not a URL
        return None


class HttpServer:
    """A bridge or an Open WebUI at `url`, asked with a key where it wants one; never through a proxy."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._session = session(key)

    def use_key(self, key: str) -> None:
        """From now on."""
        self._session.headers["Authorization"] = f"Bearer {key}"

    def ask(self, method: str, path: str, *, timeout: float | None, **sent: Any) -> Response:
        """`sent` as requests takes it; `timeout` in seconds, None: as long as it takes. NoAnswer."""
        try:
            return self._session.request(method, self.url + path, timeout=timeout, **sent)
        except requests.RequestException as error:
            raise NoAnswer(str(error)) from error

    def close(self) -> None:
        self._session.close()
