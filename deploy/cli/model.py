"""`embedstack model …`"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embedstack.deploy.cli.verb import VerbRun, group, switch, text, verb
from embedstack.deploy.console import Data
from embedstack.deploy.settings import Settings

if TYPE_CHECKING:
    from embedstack.deploy.hub.source import Source

Name = Annotated[str, typer.Argument(help="The model, by any name in the catalogue.")]
Quantisation = Annotated[
    str | None, typer.Option("--quantisation", help="Q4_K_M, Q8_0, f16; bf16 is the folder for vLLM.")
]
HUB = {
    "hub.endpoint": text("--endpoint", "A mirror of the Hugging Face Hub."),
    "hub.offline": switch("--offline/--online", "Never ask the network."),
}
CONTEXT = {"model.num_ctx": Annotated[int | None, typer.Option("--num-ctx", min=64, help="Context in tokens.")]}
_OLLAMA = {"engine.url": text("--url", "Which Ollama: engine.url, else OLLAMA_HOST.")}
DEFAULT = "qwen3-embedding:4b"
_MACHINE = ("config", "settings")  # models belong to the machine, not to a stack
_AGAIN = "Interrupted; the same command goes on where it stopped."

group("model", "The models.")


@verb("model list", "Example: embedstack model list --json", takes=_MACHINE)
def list_(run: VerbRun) -> Data:
    """List the models and files of the catalogue, and which are on this disk."""
    from embedstack.deploy.models import show

    settings = run.settings()
    return show.models(_source(settings), settings.model.catalog)


@verb(
    "model pull",
    "Example: embedstack model pull qwen3-embedding:4b --quantisation Q8_0",
    takes=_MACHINE,
    given=HUB,
    interrupted=_AGAIN,
)
def pull(
    name: Name = DEFAULT,
    quantisation: Quantisation = None,
    origin: Annotated[
        Literal["hub", "ollama"], typer.Option("--from", help="ollama: its library has the same file.")
    ] = "hub",
    *,
    run: VerbRun,
) -> Data:
    """Fetch a model's file and verify it; a download that was cut goes on."""
    from embedstack.deploy.models import files, pull_ollama
    from embedstack.deploy.models.create import WantedModel

    settings = run.settings()
    model, report = settings.model, run.report
    if origin == "hub":
        return files.pull(name, quantisation, _source(settings), report, model.catalog)
    wanted = WantedModel(name, quantisation, num_ctx=model.num_ctx, own=model.catalog)
    return pull_ollama.pull(wanted, report, url=_ollama(settings), keep_alive=model.kept)


@verb("model verify", "Example: embedstack model verify qwen3-embedding:4b", takes=_MACHINE)
def verify(
    run: VerbRun,
    what: Annotated[str, typer.Argument(help="A model's name, or the path of a GGUF.")] = DEFAULT,
    quantisation: Quantisation = None,
) -> Data:
    """Read a file on this disk to its last byte, and compare its sha256 with the catalogue's."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.verify(what, quantisation, _source(settings), run.report, settings.model.catalog)


@verb(
    "model import",
    "Example: embedstack model import /media/stick/Qwen3-Embedding-4B-Q4_K_M.gguf",
    takes=_MACHINE,
)
def import_(run: VerbRun, file: Annotated[Path, typer.Argument(help="A GGUF.")]) -> Data:
    """Take a model's file from a disk, for a machine without a network."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.import_(file, _source(settings), run.report, settings.model.catalog)


@verb("model export", "Example: embedstack model export qwen3-embedding:4b /media/stick", takes=_MACHINE)
def export(
    run: VerbRun,
    name: Name,
    target: Annotated[Path, typer.Argument(help="The folder it goes to.", file_okay=False)],
    quantisation: Quantisation = None,
) -> Data:
    """Put a model's verified file into a folder, to be carried to a machine without a network."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.export(name, quantisation, target, _source(settings), run.report, settings.model.catalog)


@verb("model check", "Example: embedstack model check ./my.gguf --model qwen3-embedding:4b", takes=_MACHINE)
def check(
    run: VerbRun,
    path: Annotated[Path, typer.Argument(help="A GGUF, or a model's Hugging Face folder.")],
    name: Annotated[str, typer.Option("--model", help="Which model it is to be.")] = DEFAULT,
) -> Data:
    """Say whether an engine would make the right vectors of these files, by their headers alone."""
    from embedstack.deploy.models import files

    return files.check_model(path, name, run.settings().model.catalog)


@verb(
    "model create",
    "Example: embedstack model create qwen3-embedding:4b",
    takes=_MACHINE,
    given={**CONTEXT, **_OLLAMA, **HUB},
    interrupted=_AGAIN,
)
def create(
    name: Annotated[str | None, typer.Argument(help="The model, by any name in the catalogue.")] = None,
    quantisation: Quantisation = None,
    gguf: Annotated[Path | None, typer.Option("--gguf", help="A file of yours that the catalogue knows.")] = None,
    *,
    run: VerbRun,
) -> Data:
    """Make a model in Ollama from its verified file, or leave it alone where it is that already; check its vectors."""
    from embedstack.deploy.models import create

    settings = run.settings()
    model = settings.model
    wanted = create.WantedModel(name, quantisation, gguf, model.num_ctx, model.catalog)
    where = _source(settings)
    return create.create_model(wanted, where, run.report, url=_ollama(settings), keep_alive=model.kept)


@verb(
    "model remove",
    "Example: embedstack model remove qwen3-embedding:4b-q8_0",
    takes=_MACHINE,
    given=_OLLAMA,
)
def remove(name: Annotated[str, typer.Argument(help="As Ollama calls it.")], run: VerbRun) -> Data:
    """Take a model out of Ollama. The file that it was made from stays."""
    from embedstack.deploy.models import create

    return create.remove_model(name, _ollama(run.settings()))


@verb("model show", "Example: embedstack model show qwen3-embedding:4b", takes=_MACHINE, given=_OLLAMA)
def show(name: Name = DEFAULT, quantisation: Quantisation = None, *, run: VerbRun) -> Data:
    """Show what the catalogue knows of a model, and what Ollama says of it."""
    from embedstack.deploy.models import show

    settings = run.settings()
    return show.show(name, quantisation, _ollama(settings), settings.model.catalog)


@verb("model demo", "Example: embedstack model demo --json", takes=())
def demo(run: VerbRun) -> Data:
    """Build the demo model, a small stand-in that needs no download, and say where it lies."""
    from embedstack.deploy.demo import model

    return model.demo(run.report)


@verb("model modelfile", "Example: embedstack model modelfile Qwen3-Embedding-4B-Q4_K_M.gguf > Modelfile")
def modelfile(
    gguf: Annotated[Path, typer.Argument(help="The model's GGUF.")],
    name: Annotated[str, typer.Option("--model", help="Which model it is, by any name in the catalogue.")] = DEFAULT,
    num_ctx: Annotated[int | None, typer.Option(min=1, help="Context in tokens: the catalogue's unless given.")] = None,
) -> Data:
    """Print the Modelfile with which Ollama takes a GGUF as it should."""
    from embedstack.deploy.models import create

    return create.show_modelfile(gguf, name, num_ctx)


def _source(settings: Settings) -> "Source":
    from embedstack.deploy.hub.source import source

    return source(settings.hub, os.environ)


def _ollama(settings: Settings) -> str:
    """The Ollama that is meant: engine.url, else OLLAMA_HOST, else the stack's own."""
    from embedstack.deploy.ollama.address import address

    return address(settings.engine.url, os.environ, settings.ports.ollama)
