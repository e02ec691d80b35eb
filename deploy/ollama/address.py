"""Where the Ollama is that is meant. Pure."""

from collections.abc import Mapping

from embedstack.deploy.config import refusing
from embedstack.host.addresses import LOOPBACK
from embedstack.host.ollama import ollama_url


def address(named: str | None, environ: Mapping[str, str], port: int) -> str:
    """engine.url where it is `named`, else OLLAMA_HOST, else this machine's at `port`. InvalidSettings."""
    return (named or from_environment(environ) or f"http://{LOOPBACK}:{port}").rstrip("/")


def from_environment(environ: Mapping[str, str]) -> str | None:
    """OLLAMA_HOST as a URL; None where it is not set. InvalidSettings."""
    with refusing():
        return ollama_url(environ)
