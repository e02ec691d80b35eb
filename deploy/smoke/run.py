"""All checks of what answers at a URL."""

from dataclasses import dataclass, replace
from pathlib import Path

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused, InvalidModel, SmokeFailed
from embedstack.deploy.smoke import server as servers
from embedstack.deploy.smoke.checks import Subject, check
from embedstack.deploy.smoke.pace import MeasuredPace, Throughput, measure
from embedstack.deploy.smoke.pace import throughput as measure_throughput
from embedstack.deploy.smoke.result import Smoke
from embedstack.models import catalog
from embedstack.models.catalog import Catalog, CatalogError, Named


@dataclass(frozen=True)
class SmokeTarget:
    """A bridge, an Ollama or an OpenAI-shaped server, and a model that it serves.

    Attributes:
        model: as it is called there.
        key: None where it asks for none.
        own: a catalogue beside the shipped one.
    """

    url: str
    model: str
    key: str | None = None
    own: Path | None = None


def run(target: SmokeTarget, report: Report, *, paced: bool = True, lengths: tuple[int, ...] = ()) -> Smoke:
    """Every check; where `paced`, its pace is measured too, and its throughput at `lengths` of tokens.

    InvalidModel for a model that no catalogue knows; BridgeRefused where nothing answers.
    """
    named = _known(target.model, target.own)
    reference = named.model.reference
    if reference is None:
        raise InvalidModel(f"The catalogue has no reference texts for {named.model.id}: there is nothing to check by.")
    with BridgeClient(target.url, target.key) as client:
        with report.step(f"what answers at {client.url}"):
            server = servers.find(client, target.model)
            if server.kind == "bridge":
                server = replace(server, native=named.model.dimensions)
        subject = Subject(server, named.model, _precision(named, server.precision), reference)
        with report.step("vectors against the reference"):
            checks = tuple(check(subject))
        pace = None
        if paced:
            with report.step("latency and throughput"):
                pace = _pace(server)
        by_length = tuple(_throughput(server, length, report) for length in lengths)
    alone, together = (pace.latency_ms, pace.texts_per_second) if pace else (None, None)
    return Smoke(client.url, target.model, checks, alone, together, tuple(one for one in by_length if one))


def require(smoke: Smoke) -> None:
    """SmokeFailed, with what failed, unless all is right."""
    if not smoke.passed:
        told = "; ".join(f"{check.name}: {check.value}, must be {check.must}" for check in smoke.failed)
        raise SmokeFailed(
            f"{smoke.model} at {smoke.url} is not right: {told or 'no check could be made'}.",
            "`embedstack smoke` shows every check, `embedstack doctor` what may be the cause.",
        )


def _known(model: str, own: Path | None = None) -> Named:
    """The catalogue's entry for a served name: its own, or one with an `@` or a precision behind it, as
    `qwen3-embedding:4b-bf16` is what vLLM serves beside Ollama. InvalidModel, also for an own catalogue that is wrong.
    """
    known, name = _catalogue(own), model.partition("@")[0]
    try:
        return known.find(name)
    except CatalogError as error:
        for entry in known.models.values():
            for precision in entry.precisions:
                if name.casefold() == f"{entry.id}-{precision}".casefold():
                    return Named(entry, precision)
        raise InvalidModel(str(error), "Give the name of a model of the catalogue with --model.") from error


def _catalogue(own: Path | None) -> Catalog:
    try:
        return catalog.load(own)
    except CatalogError as error:
        raise InvalidModel(str(error), "Correct it, or leave it out.") from error


def _precision(named: Named, said: str | None) -> str:
    """What the server says, else what the name says, else the model's default, whose tolerance is the widest."""
    for given in (said, named.precision):
        if given is not None:
            try:
                return named.model.precision(given)
            except CatalogError:
                return given
    return named.model.default_quantisation


def _pace(server: servers.EmbeddingServer) -> MeasuredPace | None:
    try:
        return measure(server)
    except BridgeRefused:
        return None  # the checks have said so


def _throughput(server: servers.EmbeddingServer, length: int, report: Report) -> Throughput | None:
    try:
        with report.step(f"throughput at {length} tokens"):
            return measure_throughput(server, length)
    except BridgeRefused as error:
        report.warn(f"No throughput at {length} tokens: {error.message}")
        return None
