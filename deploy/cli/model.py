"""`embedstack model …`"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embedstack.deploy.cli.bridge import Key
from embedstack.deploy.cli.verb import MODELS, VerbRun, group, switch, text, verb
from embedstack.deploy.console import Data
from embedstack.deploy.settings import Settings
from embedstack.host.addresses import LOOPBACK

if TYPE_CHECKING:
    from embedstack.deploy.hub.source import Source

Name = Annotated[str, typer.Argument(help=f"A model of the catalogue: {MODELS}.")]
Quantisation = Annotated[
    str | None,
    typer.Option("--quantisation", help="Q4_K_M, Q8_0, f16; for vLLM bf16. Default: the catalogue's."),
]
HUB = {
    "hub.endpoint": text("--endpoint", "Address of a mirror of the Hugging Face Hub."),
    "hub.offline": switch("--offline/--online", "Use only files on this disk, or allow downloads."),
}
CONTEXT = {"model.num_ctx": Annotated[int | None, typer.Option("--num-ctx", min=64, help="Context length in tokens.")]}
_OLLAMA = {"engine.url": text("--url", "Address of the Ollama. Default: engine.url, else OLLAMA_HOST.")}
DEFAULT = "qwen3-embedding:4b"
_MACHINE = ("config", "settings")  # models belong to the machine, not to a stack
_AGAIN = "Interrupted; the same command continues where it stopped."

group("model", "Download, verify and inspect models, and create them in Ollama.")


@verb("model list", "Example: embedstack model list --json", takes=_MACHINE)
def list_(run: VerbRun) -> Data:
    """List the models of the catalogue with their files, and which of them are on this disk."""
    from embedstack.deploy.models import show

    settings = run.settings()
    return show.models(_source(settings), settings.model.catalog)


@verb("model advise", "Example: embedstack model advise --measure", given=_OLLAMA)
def advise(
    run: VerbRun,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Measure the processor if no engine runs, or measure nothing. Default: measure what runs already.",
        ),
    ] = None,
    key: Key = None,
) -> Data:
    """Recommend a model and a precision for this machine, with the reasons and a table of size, memory and speed. Exit
    status 3 if nothing fits.
    """
    from embedstack.deploy import bridge_client
    from embedstack.deploy.models import advise

    settings = run.settings()
    here = f"http://{LOOPBACK}:{settings.ports.bridge}"
    access = bridge_client.access(settings.stack.name, None, key, otherwise=here)
    return advise.advise(settings, access, _ollama(settings), run.report, measure=measure)


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
        Literal["hub", "ollama"],
        typer.Option("--from", help="Download from the Hub, or let Ollama pull it."),
    ] = "hub",
    *,
    run: VerbRun,
) -> Data:
    """Download a model's file and verify it. An interrupted download is resumed."""
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
    what: Annotated[str, typer.Argument(help=f"The path of a GGUF, or a model of the catalogue: {MODELS}.")] = DEFAULT,
    quantisation: Quantisation = None,
) -> Data:
    """Read a model's file completely and compare its sha256 with the catalogue's."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.verify(what, quantisation, _source(settings), run.report, settings.model.catalog)


@verb(
    "model import",
    "Example: embedstack model import /media/stick/Qwen3-Embedding-4B-Q4_K_M.gguf",
    takes=_MACHINE,
)
def import_(run: VerbRun, file: Annotated[Path, typer.Argument(help="Path of the GGUF.")]) -> Data:
    """Import a model's file from a disk, on a machine without a network."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.import_(file, _source(settings), run.report, settings.model.catalog)


@verb("model export", "Example: embedstack model export qwen3-embedding:4b /media/stick", takes=_MACHINE)
def export(
    run: VerbRun,
    name: Name,
    target: Annotated[Path, typer.Argument(help="Folder to copy the file to.", file_okay=False)],
    quantisation: Quantisation = None,
) -> Data:
    """Copy a model's verified file into a folder, for a machine without a network."""
    from embedstack.deploy.models import files

    settings = run.settings()
    return files.export(name, quantisation, target, _source(settings), run.report, settings.model.catalog)


@verb("model check", "Example: embedstack model check ./my.gguf --model qwen3-embedding:4b", takes=_MACHINE)
def check(
    run: VerbRun,
    path: Annotated[Path, typer.Argument(help="Path of a GGUF or of a model's Hugging Face folder.")],
    name: Annotated[str, typer.Option("--model", help=f"The model that it should be: {MODELS}.")] = DEFAULT,
) -> Data:
    """Check from its header that an engine would compute the right vectors with a model file."""
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
    name: Annotated[str | None, typer.Argument(help=f"A model of the catalogue: {MODELS}.")] = None,
    quantisation: Quantisation = None,
    gguf: Annotated[Path | None, typer.Option("--gguf", help="Your own copy of one of the catalogue's files.")] = None,
    *,
    run: VerbRun,
) -> Data:
    """Create a model in Ollama from its verified file, unless it is there already, and check its vectors."""
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
def remove(name: Annotated[str, typer.Argument(help="The model's name in Ollama.")], run: VerbRun) -> Data:
    """Remove a model from Ollama. The file that it was created from stays."""
    from embedstack.deploy.models import create

    return create.remove_model(name, _ollama(run.settings()))


@verb("model show", "Example: embedstack model show qwen3-embedding:4b", takes=_MACHINE, given=_OLLAMA)
def show(name: Name = DEFAULT, quantisation: Quantisation = None, *, run: VerbRun) -> Data:
    """Show what the catalogue and Ollama know about a model."""
    from embedstack.deploy.models import show

    settings = run.settings()
    return show.show(name, quantisation, _ollama(settings), settings.model.catalog)


@verb("model demo", "Example: embedstack model demo --json", takes=())
def demo(run: VerbRun) -> Data:
    """Build the demo model, a small stand-in that needs no download, and show where it is."""
    from embedstack.deploy.demo import model

    return model.demo(run.report)


@verb("model modelfile", "Example: embedstack model modelfile Qwen3-Embedding-4B-Q4_K_M.gguf > Modelfile")
def modelfile(
    gguf: Annotated[Path, typer.Argument(help="Path of the model's GGUF.")],
    name: Annotated[str, typer.Option("--model", help=f"The model in that file: {MODELS}.")] = DEFAULT,
    num_ctx: Annotated[int | None, typer.Option(min=1, help="Context in tokens. Default: the catalogue's.")] = None,
) -> Data:
    """Print the Modelfile with which `ollama create` sets a GGUF up correctly."""
    from embedstack.deploy.models import create

    return create.show_modelfile(gguf, name, num_ctx)


def _source(settings: Settings) -> "Source":
    from embedstack.deploy.hub.source import source

    return source(settings.hub, os.environ)


def _ollama(settings: Settings) -> str:
    """The Ollama that is meant: engine.url, else OLLAMA_HOST, else the stack's own."""
    from embedstack.deploy.ollama.address import address

    return address(settings.engine.url, os.environ, settings.ports.ollama)
