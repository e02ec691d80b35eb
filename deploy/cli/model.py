"""`embedstack model …`"""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from embedstack.deploy.cli.verb import Config, Json, Set, app, load, ollama_url
from embedstack.deploy.console import reporting
from embedstack.deploy.settings import Settings

model = typer.Typer(help="The models.", no_args_is_help=True)
app.add_typer(model, name="model")

Name = Annotated[str, typer.Argument(help="The model, by any name in the catalogue.")]
Quantisation = Annotated[
    str | None, typer.Option("--quantisation", help="Q4_K_M, Q8_0, f16; bf16 is the folder for vLLM.")
]
Endpoint = Annotated[str | None, typer.Option("--endpoint", help="A mirror of the Hugging Face Hub.")]
Offline = Annotated[bool | None, typer.Option("--offline/--online", help="Never ask the network.")]
OllamaUrl = Annotated[str | None, typer.Option("--url", help="Which Ollama: engine.url, else OLLAMA_HOST.")]
DEFAULT = "qwen3-embedding:4b"
_AGAIN = "Interrupted; the same command goes on where it stopped."


@model.command("list", epilog="Example: embedstack model list --json")
def model_list_(config: Config = None, settings: Set = None, as_json: Json = False) -> None:
    """List the models and files of the catalogue, and which are on this disk."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import show

    with reporting("model list", as_json=as_json) as report:
        ours = load(config, settings, {}).settings
        report.show(show.models(source(ours.hub, os.environ), ours.model.catalog))


@model.command("pull", epilog="Example: embedstack model pull qwen3-embedding:4b --quantisation Q8_0")
def model_pull(
    name: Name = DEFAULT,
    quantisation: Quantisation = None,
    origin: Annotated[
        Literal["hub", "ollama"], typer.Option("--from", help="ollama: its library has the same file.")
    ] = "hub",
    endpoint: Endpoint = None,
    offline: Offline = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Fetch a model's file and verify it; a download that was cut goes on."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import files, pull_ollama

    with reporting("model pull", as_json=as_json, interrupted=_AGAIN) as report:
        ours = _settings(config, settings, endpoint, offline)
        if origin == "ollama":
            url, keep = ollama_url(ours), ours.model.kept
            own = ours.model.catalog
            report.show(
                pull_ollama.pull(
                    name, quantisation, ours.model.num_ctx, url=url, keep_alive=keep, report=report, own=own
                )
            )
            return
        where = source(ours.hub, os.environ)
        report.show(files.pull(name, quantisation, where, report, ours.model.catalog))


@model.command("verify", epilog="Example: embedstack model verify qwen3-embedding:4b")
def model_verify(
    what: Annotated[str, typer.Argument(help="A model's name, or the path of a GGUF.")] = DEFAULT,
    quantisation: Quantisation = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Read a file on this disk to its last byte, and compare its sha256 with the catalogue's."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import files

    with reporting("model verify", as_json=as_json) as report:
        ours = _settings(config, settings, None, None)
        where = source(ours.hub, os.environ)
        report.show(files.verify(what, quantisation, where, report, ours.model.catalog))


@model.command("import", epilog="Example: embedstack model import /media/stick/Qwen3-Embedding-4B-Q4_K_M.gguf")
def model_import(
    file: Annotated[Path, typer.Argument(help="A GGUF.")],
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Take a model's file from a disk, for a machine without a network."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import files

    with reporting("model import", as_json=as_json) as report:
        ours = _settings(config, settings, None, None)
        report.show(files.import_(file, source(ours.hub, os.environ), report, ours.model.catalog))


@model.command("export", epilog="Example: embedstack model export qwen3-embedding:4b /media/stick")
def model_export(
    name: Name,
    target: Annotated[Path, typer.Argument(help="The folder it goes to.", file_okay=False)],
    quantisation: Quantisation = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Put a model's verified file into a folder, to be carried to a machine without a network."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import files

    with reporting("model export", as_json=as_json) as report:
        ours = _settings(config, settings, None, None)
        where = source(ours.hub, os.environ)
        report.show(files.export(name, quantisation, target, where, report, ours.model.catalog))


@model.command("check", epilog="Example: embedstack model check ./my.gguf --model qwen3-embedding:4b")
def model_check_(
    path: Annotated[Path, typer.Argument(help="A GGUF, or a model's Hugging Face folder.")],
    name: Annotated[str, typer.Option("--model", help="Which model it is to be.")] = DEFAULT,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Say whether an engine would make the right vectors of these files, by their headers alone."""
    from embedstack.deploy.models import files

    with reporting("model check", as_json=as_json) as report:
        ours = load(config, settings, {}).settings
        report.show(files.check_model(path, name, ours.model.catalog))


@model.command("create", epilog="Example: embedstack model create qwen3-embedding:4b")
def model_create_(
    name: Annotated[str | None, typer.Argument(help="The model, by any name in the catalogue.")] = None,
    quantisation: Quantisation = None,
    gguf: Annotated[Path | None, typer.Option("--gguf", help="A file of yours that the catalogue knows.")] = None,
    num_ctx: Annotated[int | None, typer.Option("--num-ctx", min=64, help="Context in tokens.")] = None,
    url: OllamaUrl = None,
    endpoint: Endpoint = None,
    offline: Offline = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Make a model in Ollama from its verified file, or leave it alone where it is that already; check its vectors."""
    from embedstack.deploy.hub.source import source
    from embedstack.deploy.models import create

    with reporting("model create", as_json=as_json, interrupted=_AGAIN) as report:
        given = {"engine.url": url, "model.num_ctx": num_ctx, "hub.endpoint": endpoint, "hub.offline": offline}
        ours = load(config, settings, given).settings
        report.show(
            create.create_model(
                name,
                quantisation,
                gguf,
                ours.model.num_ctx,
                url=ollama_url(ours),
                keep_alive=ours.model.kept,
                source=source(ours.hub, os.environ),
                report=report,
                own=ours.model.catalog,
            )
        )


@model.command("remove", epilog="Example: embedstack model remove qwen3-embedding:4b-q8_0")
def model_remove_(
    name: Annotated[str, typer.Argument(help="As Ollama calls it.")],
    url: OllamaUrl = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Take a model out of Ollama. The file that it was made from stays."""
    from embedstack.deploy.models import create

    with reporting("model remove", as_json=as_json) as report:
        ours = load(config, settings, {"engine.url": url}).settings
        report.show(create.remove_model(name, ollama_url(ours)))


@model.command("show", epilog="Example: embedstack model show qwen3-embedding:4b")
def model_show_(
    name: Name = DEFAULT,
    quantisation: Quantisation = None,
    url: OllamaUrl = None,
    config: Config = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Show what the catalogue knows of a model, and what Ollama says of it."""
    from embedstack.deploy.models import show

    with reporting("model show", as_json=as_json) as report:
        ours = load(config, settings, {"engine.url": url}).settings
        report.show(show.show(name, quantisation, ollama_url(ours), ours.model.catalog))


@model.command("demo", epilog="Example: embedstack model demo --json")
def model_demo(as_json: Json = False) -> None:
    """Build the demo model, a small stand-in that needs no download, and say where it lies."""
    from embedstack.deploy.demo import model as demo_model

    with reporting("model demo", as_json=as_json) as report:
        report.show(demo_model.demo(report))


@model.command("modelfile", epilog="Example: embedstack model modelfile Qwen3-Embedding-4B-Q4_K_M.gguf > Modelfile")
def model_modelfile(
    gguf: Annotated[Path, typer.Argument(help="The model's GGUF.")],
    name: Annotated[
        str, typer.Option("--model", help="Which model it is, by any name in the catalogue.")
    ] = "qwen3-embedding:4b",
    num_ctx: Annotated[int | None, typer.Option(min=1, help="Context in tokens: the catalogue's unless given.")] = None,
    as_json: Json = False,
) -> None:
    """Print the Modelfile with which Ollama takes a GGUF as it should."""
    from embedstack.deploy.models import create as model_command

    with reporting("model modelfile", as_json=as_json) as report:
        report.show(model_command.show_modelfile(gguf, name, num_ctx))


def _settings(
    config: Path | None, assignments: list[str] | None, endpoint: str | None, offline: bool | None
) -> Settings:
    return load(config, assignments, {"hub.endpoint": endpoint, "hub.offline": offline}).settings
