"""An Ollama at a URL.

What goes wrong between us and an Ollama, as errors of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import requests
from numpy.typing import NDArray

from embedstack.contract.answers import is_bridge
from embedstack.deploy import http
from embedstack.deploy.errors import EngineNotUsable, EngineRefused
from embedstack.host.ollama import PROBE, uncounted, uncounted_by
from embedstack.models import modelfile
from embedstack.models.modelfile import Value

_LOOK = "`embedstack doctor` looks further; Ollama's own log says more."


@contextmanager
def asking(url: str, doing: str) -> Iterator[None]:
    """EngineRefused for whatever keeps the Ollama at `url` from `doing` in the block, with its own words."""
    import httpx
    import ollama

    try:
        yield
    except ollama.ResponseError as error:
        raise refused(url, doing, error.error) from error
    except (httpx.TimeoutException, requests.Timeout) as error:
        raise EngineRefused(f"The Ollama at {url} fell silent while it was to {doing}.", _LOOK) from error
    except (ValueError, KeyError, TypeError) as error:  # no JSON (an error of requests too), or not of the right shape
        raise EngineRefused(f"What answers at {url} is not an Ollama: to {doing} it said {error}", _LOOK) from error
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
    message = "nobody answers" if type(error) is ConnectionError else str(error).rpartition(": ")[2]
    return message.strip("\"')>") or type(error).__name__


def _advice(why: str) -> str:
    if "llama-server" in why or "llama-quantize" in why:
        return (
            "This Ollama lacks llama.cpp's programs, or they cannot read the file. Install Ollama by its own installer "
            "(https://ollama.com/download), which puts them into lib/ollama beside it."
        )
    if "no space left" in why:
        return "Make room where Ollama keeps its models (OLLAMA_MODELS): creating takes two to three times the file."
    return _LOOK


if TYPE_CHECKING:
    import ollama

LOOK = 10.0  # seconds for a look at what there is
SILENCE = 600.0  # between two lines of a stream, and for a model to load: 2.5 GB from a slow disk


class Progress(NamedTuple):
    """How far a `create` or `pull` is, in bytes of its present part; None where Ollama does not say."""

    status: str
    completed: int | None
    total: int | None


class Listed(NamedTuple):
    """A model in /api/tags: its name with the tag, and the digest of its manifest."""

    name: str
    digest: str


class RunningModel(NamedTuple):
    """A model in /api/ps, in bytes: of it in all, and on a GPU; its context in tokens, None where Ollama is too old."""

    name: str
    size: int
    size_vram: int
    context: int | None = None


@dataclass(frozen=True)
class ShownModel:
    """A model in /api/show. `blobs`: sha256 of each file that its Modelfile names."""

    parameters: Mapping[str, str]
    capabilities: tuple[str, ...]
    quantisation: str
    blobs: tuple[str, ...]


@dataclass(frozen=True)
class OllamaVectors:
    """Vectors (n, d) and the tokens in all of them, each end-of-text included."""

    vectors: NDArray[np.float32]
    tokens: int | None


class Ollama(AbstractContextManager["Ollama"]):
    """Asked over HTTP. Whatever it refuses is EngineRefused, and so is silence for `silence` seconds."""

    def __init__(self, url: str, silence: float = SILENCE) -> None:
        self.url = url.rstrip("/")
        self._silence = silence
        self._exit = ExitStack()
        self._uncounted: int | None = None

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @cached_property
    def session(self) -> requests.Session:
        """For what the client library does not do."""
        key = os.environ.get("OLLAMA_API_KEY")  # as the client library sends it
        return self._exit.enter_context(http.session(key, proxies=http.behind_proxies(self.url)))

    @cached_property
    def _look(self) -> ollama.Client:
        return self._client(LOOK)

    @cached_property
    def _work(self) -> ollama.Client:
        return self._client(self._silence)

    def _client(self, read: float) -> ollama.Client:
        # Imported here: it takes a fifth of a second, which a command that asks no Ollama need not wait for.
        import httpx
        import ollama

        timeout = httpx.Timeout(LOOK, read=read)  # its own default is to wait for ever
        client = ollama.Client(self.url, timeout=timeout, trust_env=http.behind_proxies(self.url))
        self._exit.callback(client.close)
        return client

    def version(self) -> str:
        """What it calls itself. EngineNotUsable where a bridge answers in its place, which makes no models."""
        with asking(self.url, "say its version"):
            answer = self.session.get(f"{self.url}/api/version", timeout=LOOK).json()
            if is_bridge(answer):
                raise EngineNotUsable(f"At {self.url} is a bridge, not an Ollama.", "Name the Ollama behind it.")
            return str(answer["version"])

    def models(self) -> tuple[Listed, ...]:
        with asking(self.url, "list its models"):
            return tuple(Listed(str(model.model), str(model.digest)) for model in self._look.list().models)

    def digest(self, name: str) -> str | None:
        """Of a model's manifest: another as soon as anything about the model is; None where it is not there."""
        return next((model.digest for model in self.models() if same_name(model.name, name)), None)

    def loaded(self) -> tuple[RunningModel, ...]:
        """What is in memory now."""
        with asking(self.url, "list what is loaded"):
            given = self._look.ps().models
            return tuple(
                RunningModel(str(m.model), int(m.size or 0), int(m.size_vram or 0), m.context_length) for m in given
            )

    def show(self, name: str) -> ShownModel | None:
        """None where it has no such model."""
        with asking(self.url, f"show {name}"):
            given = None if self.digest(name) is None else self._look.show(name)
        if given is None:
            return None
        lines = (given.modelfile or "").splitlines()
        blobs = [line.rpartition("sha256-")[2].strip('"') for line in lines if _names_blob(line)]
        quantisation = given.details.quantization_level if given.details else None
        parameters = modelfile.shown(given.parameters or "")
        return ShownModel(parameters, tuple(given.capabilities or ()), quantisation or "", tuple(blobs))

    def chatting(self) -> tuple[str, ...]:
        """Names of the models that chat: an embedding model's capabilities have no `completion`."""
        with asking(self.url, "list its models"):
            listed = self.session.get(f"{self.url}/api/tags", timeout=LOOK).json()["models"]
            return tuple(str(model["name"]) for model in listed if "completion" in self._capabilities(model))

    def _capabilities(self, listed: Mapping[str, Any]) -> Sequence[str]:
        """Older ones do not list them, and show them alone."""
        known = listed.get("capabilities")
        return known if known is not None else self._look.show(str(listed["name"])).capabilities or ()

    def remove(self, name: str) -> None:
        with asking(self.url, f"remove {name}"):
            self._look.delete(name)

    def create(self, name: str, *, files: Mapping[str, str], parameters: Mapping[str, Value]) -> Iterator[Progress]:
        """Make `name` from blobs that are there, `files` being a name for each and its `sha256:…`."""
        with asking(self.url, f"create {name}"):
            stream = self._work.create(name, files=dict(files), parameters=parameters, stream=True)
            yield from (Progress(part.status or "", part.completed, part.total) for part in stream)

    def set_parameters(self, name: str, parameters: Mapping[str, Value]) -> Iterator[Progress]:
        """Make `name` again from itself, with other parameters."""
        with asking(self.url, f"set the parameters of {name}"):
            stream = self._work.create(name, from_=name, parameters=parameters, stream=True)
            yield from (Progress(part.status or "", part.completed, part.total) for part in stream)

    def pull(self, name: str) -> Iterator[Progress]:
        with asking(self.url, f"pull {name}"):
            stream = self._work.pull(name, stream=True)
            yield from (Progress(part.status or "", part.completed, part.total) for part in stream)

    def embed(self, name: str, texts: Sequence[str], keep_alive: float | str | None = None) -> OllamaVectors:
        """The texts as they are: one that is too long is refused, not cut. The model stays for `keep_alive`."""
        stay = keep_alive_value(keep_alive)
        with asking(self.url, f"embed with {name}"):
            answer = self._work.embed(name, list(texts), truncate=False, keep_alive=stay)
            vectors = np.array(answer.embeddings, dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(texts):
                raise ValueError(f"vectors of shape {vectors.shape} to {len(texts)} texts")
            return OllamaVectors(vectors, self._counted(name, answer.prompt_eval_count, len(texts)))

    def _counted(self, name: str, said: int | None, texts: int) -> int | None:
        """The tokens of that many texts, the end of each included, whatever this version counts."""
        if said is None:
            return None
        if self._uncounted is None:
            by_version = uncounted(self.version())
            if by_version is None:
                probe = self._work.embed(name, [PROBE], truncate=False)
                by_version = uncounted_by(probe.prompt_eval_count)
            self._uncounted = by_version
        return said + texts * self._uncounted


def keep_alive_value(given: float | str | None) -> float | str | None:
    """`-1` as a number of seconds: as a text without a unit Ollama refuses it. `5m` as it is."""
    try:
        return given if given is None else float(given)
    except ValueError:
        return given


def same_name(one: str, other: str) -> bool:
    """`demo` and `demo:latest` are one model to Ollama, and so are names that differ in case alone."""
    return one.removesuffix(":latest").casefold() == other.removesuffix(":latest").casefold()


def _names_blob(line: str) -> bool:
    return line.startswith("FROM ") and "sha256-" in line
