"""`embedstack model remove`: out of an Ollama. The file in the Hub's cache stays."""

from dataclasses import dataclass

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.ollama import made
from embedstack.deploy.ollama.server import Ollama


@dataclass(frozen=True)
class RemovedModel:
    """A model that is no longer in the Ollama at `url`."""

    name: str
    url: str

    def __rich__(self) -> str:
        return f"{self.name} is no longer in the Ollama at {self.url}; its file on this disk stays"


def remove(name: str, url: str) -> RemovedModel:
    """By the name that Ollama has for it. InvalidModel where it has none such, EngineRefused."""
    with Ollama(url) as server:
        if server.digest(name) is None:
            there = ", ".join(model.name for model in server.models()) or "none"
            raise InvalidModel(f"There is no {name} in the Ollama at {url}; there is: {there}.")
        server.remove(name)
    made.remember(url, name, None)
    return RemovedModel(name, url)
