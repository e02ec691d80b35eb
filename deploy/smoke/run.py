"""`embedstack smoke`: all checks of what answers at a URL, for people and as JUnit XML, as CI systems show it."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path

from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.errors import BridgeRefused, FolderNotUsable, InvalidModel, SmokeFailed
from embedstack.deploy.smoke import server as servers
from embedstack.deploy.smoke.checks import Subject, check
from embedstack.deploy.smoke.pace import LENGTHS, MeasuredPace, Throughput, measure
from embedstack.deploy.smoke.pace import throughput as measure_throughput
from embedstack.deploy.smoke.result import Smoke
from embedstack.models import catalog
from embedstack.models.catalog import Named, NotInCatalog


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
        message = "; ".join(f"{check.name}: {check.value}, must be {check.must}" for check in smoke.failed)
        raise SmokeFailed(
            f"{smoke.model} at {smoke.url} is not right: {message or 'no check could be made'}.",
            "`embedstack smoke` shows every check, `embedstack doctor` what may be the cause.",
        )


def _known(model: str, own: Path | None = None) -> Named:
    """The catalogue's entry for a served name: its own, or one with an `@` or a precision behind it, as
    `qwen3-embedding:4b-bf16` is what vLLM serves beside Ollama. InvalidModel; WrongCatalog for an own catalogue.
    """
    known, name = catalog.load(own), model.partition("@")[0]
    try:
        return known.find(name)
    except NotInCatalog as error:
        for entry in known.models.values():
            for precision in entry.precisions:
                if name.casefold() == f"{entry.id}-{precision}".casefold():
                    return Named(entry, precision)
        raise InvalidModel(str(error), "Give the name of a model of the catalogue with --model.") from error


def _precision(named: Named, said: str | None) -> str:
    """What the server says, else what the name says, else the model's default, whose tolerance is the widest."""
    for given in (said, named.precision):
        if given is not None:
            try:
                return named.model.precision(given)
            except NotInCatalog:
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


# What XML 1.0 cannot hold, however it is escaped; a broken server may say anything.
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(smoke: Smoke) -> str:
    """One test case a check; what is not offered is skipped, what was measured is a property."""
    suite = ET.Element(
        "testsuite",
        name=f"embedstack smoke {_plain(smoke.model)}",
        tests=str(len(smoke.checks)),
        failures=str(len(smoke.failed)),
        skipped=str(sum(check.passed is None for check in smoke.checks)),
        time=f"{sum(check.seconds for check in smoke.checks):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("url", "latency_ms", "texts_per_second"):
        ET.SubElement(properties, "property", name=name, value=_plain(getattr(smoke, name)))
    for measured in smoke.throughput:
        per_second = f"{measured.tokens_per_second:.1f}"
        ET.SubElement(properties, "property", name=f"tokens_per_second_at_{measured.length}", value=per_second)
    for done in smoke.checks:
        case = ET.SubElement(
            suite, "testcase", classname="embedstack.smoke", name=done.name, time=f"{done.seconds:.3f}"
        )
        if done.passed is None:
            ET.SubElement(case, "skipped", message=_plain(done.value))
        elif not done.passed:
            sentence = f"{done.value}; must be: {done.must}"
            ET.SubElement(case, "failure", message=_plain(sentence)).text = _plain(sentence)
        else:
            ET.SubElement(case, "system-out").text = _plain(done.value)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _plain(value: object) -> str:
    return _NOT_IN_XML.sub("�", str(value))


def smoke(target: SmokeTarget, report: Report, file: Path | None, *, throughput: bool = False) -> Smoke:
    """Every check; the JUnit report goes into `file`. InvalidModel, BridgeRefused."""
    found = run(target, report, lengths=LENGTHS if throughput else ())
    if file is not None:
        write_junit(found, file)
    return found


def write_junit(smoke: Smoke, file: Path) -> None:
    """FolderNotUsable."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(junit(smoke), encoding="utf-8")
    except OSError as error:
        raise FolderNotUsable(f"{file} cannot be written: {error.strerror}.", "Name another with --junit.") from error
