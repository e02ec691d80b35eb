"""What goes wrong between us and an Ollama, as errors of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from embedstack.deploy.errors import EngineRefused

_LOOK = "`embedstack doctor` looks further; Ollama's own log says more."


@contextmanager
def asking(url: str, doing: str) -> Iterator[None]:
    """EngineRefused for whatever keeps the Ollama at `url` from `doing` in the block, with its own words."""
    import httpx
    import ollama
    import requests

    try:
        yield
    except ollama.ResponseError as error:
        raise refused(url, doing, error.error) from error
    except (httpx.TimeoutException, requests.Timeout) as error:
        raise EngineRefused(f"The Ollama at {url} fell silent while it was to {doing}.", _LOOK) from error
    except (ValueError, KeyError, TypeError) as error:  # no JSON (an error of requests too), or not of the right shape
        raise EngineRefused(f"What answers at {url} is no Ollama: to {doing} it said {error}", _LOOK) from error
    except (ConnectionError, httpx.TransportError, requests.RequestException) as error:
        raise EngineRefused(
            f"The Ollama at {url} could not be reached to {doing}: {_cause(error)}.",
            "Start it (`ollama serve`), or name another: `--set engine.url=http://HOST:11434`.",
        ) from error


def refused(url: str, doing: str, why: str) -> EngineRefused:
    """The step on from what Ollama said, where it is known."""
    return EngineRefused(f"The Ollama at {url} refused to {doing}: {why}", _advice(why))


def _cause(error: Exception) -> str:
    """The last of the causes, which the libraries wrap in their own names or leave out."""
    told = "nobody answers" if type(error) is ConnectionError else str(error).rpartition(": ")[2]
    return told.strip("\"')>") or type(error).__name__


def _advice(why: str) -> str:
    if "llama-server" in why or "llama-quantize" in why:
        return (
            "This Ollama lacks llama.cpp's programs, or they cannot read the file. Install Ollama by its own installer "
            "(https://ollama.com/download), which puts them into lib/ollama beside it."
        )
    if "no space left" in why:
        return "Make room where Ollama keeps its models (OLLAMA_MODELS): creating takes two to three times the file."
    return _LOOK
