"""`embedstack model pull --from ollama`: Ollama fetches the model itself, from its own library."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from embedstack.deploy.advice import followable
from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.models.create import WantedModel, chosen
from embedstack.deploy.ollama.create import follow_progress
from embedstack.deploy.ollama.create import pull as fetch
from embedstack.deploy.ollama.server import Ollama
from embedstack.deploy.ollama.verify import Compared, verify
from embedstack.deploy.ollama.version import judge
from embedstack.deploy.plan.plan import name_in_engine
from embedstack.models import catalog, modelfile
from embedstack.models.modelfile import Value, as_shown


@dataclass(frozen=True)
class PulledByOllama:
    """A model that Ollama fetched, and calls `name`; `same`: its weights are, byte for byte, the catalogue's file."""

    name: str
    model: str
    quantisation: str
    url: str
    digest: str
    sha256: str
    same: bool
    num_ctx: int
    checks: tuple[Compared, ...]

    def __rich__(self) -> Group:
        head = Text(f"{self.name} is in the Ollama at {self.url}, {len(self.checks)} checks passed", style="bold")
        if self.same:
            return Group(head, Text(f"✓ the same blob as the catalogue's file, sha256 {self.sha256}"))
        create = f"embedstack model create {self.model} --quantisation {self.quantisation}"
        warning = followable(f"! not the blob of the catalogue's file ({self.sha256}): `{create}` makes it from that")
        return Group(head, Text(warning, style="yellow"))


def pull(wanted: WantedModel, report: Report, *, url: str, keep_alive: float | str) -> PulledByOllama:
    """Pull, set the context that the library leaves open, and check the vectors. CatalogError, InvalidModel,
    EngineRefused.
    """
    model, file = chosen(catalog.load(wanted.own), wanted)
    if not file.tags:
        raise InvalidModel(
            f"Ollama's library has no {model.id} at {file.quantisation}.",
            f"Make it of its own file: `embedstack model create {model.id} --quantisation {file.quantisation}`.",
        )
    tokens = wanted.num_ctx or model.context.recommended
    if tokens > model.context.trained:
        raise InvalidModel(
            f"num_ctx {tokens} is more than the {model.context.trained} that {model.id} was trained for."
        )
    called = name_in_engine(model, file)
    with Ollama(url) as server:
        judge(server.version())
        pulled = fetch(server, called, file, report)
        _set(server, called, modelfile.parameters(tokens), report)
        with report.step(f"{called}: its vectors"):
            checks = verify(server, called, model, file.quantisation, keep_alive)
        digest = server.digest(called) or pulled.digest
    return PulledByOllama(
        called, model.id, file.quantisation, url, digest, str(file.sha256), pulled.same, tokens, checks
    )


def _set(server: Ollama, name: str, wanted: Mapping[str, Value], report: Report) -> None:
    """Without them the context follows the GPU's memory, and a text beyond 2048 tokens is cut in silence."""
    shown = server.show(name)
    if shown is None or any(shown.parameters.get(key) != value for key, value in as_shown(wanted).items()):
        follow_progress(server.set_parameters(name, wanted), f"{name}: context and batch", report)
