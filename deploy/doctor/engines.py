"""Versions of Ollama, Docker and Compose, and whether an Ollama is whole. Pure.

No engine is available: what the choice of one says, as a finding. Pure.
"""

from collections.abc import Iterator, Sequence

from embedstack.deploy.docker.daemon import COMPOSE_LEAST, Daemon
from embedstack.deploy.docker.daemon import version as numbers
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.doctor.ollama import OllamaFacts
from embedstack.deploy.errors import DeployError, EngineNotUsable
from embedstack.deploy.ollama.version import judge, needs_llama_server
from embedstack.host.ollama import TESTED

# What the checks say of the engine that stands in for the one that is missing, so that they can go on.
OF_THE_STAND_IN = ("GPU-WITHOUT-ENGINE", "CPU-UNASKED")


def found(refusal: DeployError) -> Finding:
    """`refusal`: what the choice of an engine raised."""
    return Finding(
        "ENGINE-MISSING",
        "blocker",
        "There is no engine to compute with",
        refusal.message,
        "`up` would stop there.",
        refusal.advice or "Install Ollama (https://ollama.com/download).",
    )


def with_refusal(findings: Sequence[Finding], refusal: DeployError, *, free: bool) -> tuple[Finding, ...]:
    """All findings, where no engine could be chosen. `free`: the settings name neither a kind nor an address of one.

    A free choice fails for a GPU that no engine uses alone, and that has a finding of its own with more to go by; so
    has a bridge that was named as an Ollama.
    """
    if any(finding.id == "OLLAMA-IS-BRIDGE" for finding in findings):
        return tuple(finding for finding in findings if finding.id not in OF_THE_STAND_IN)
    if free and any(finding.id == "GPU-WITHOUT-ENGINE" for finding in findings):
        return tuple(findings)
    return (found(refusal), *(finding for finding in findings if finding.id not in OF_THE_STAND_IN))


DOCKER_LEAST = (20, 10)
INSTALL = "https://ollama.com/download"


def check_ollama(ollama: OllamaFacts) -> Iterator[Finding]:
    if ollama.bridge:
        yield _bridge(ollama)
        return
    yield from _version(ollama)
    if ollama.program is not None and ollama.llama_server is None and needs_llama_server(ollama.version):
        yield Finding(
            "OLLAMA-INCOMPLETE",
            "blocker",
            "This Ollama has no llama-server",
            f"{ollama.program} is {ollama.version or 'of no version'}; there is no llama-server in {ollama.library}.",
            "It starts and answers, and fails with the first text: `llama-server binary not found`.",
            f"Install Ollama whole ({INSTALL}): `go install` builds its server alone. Or `--engine embedded`.",
        )


def _bridge(ollama: OllamaFacts) -> Finding:
    return Finding(
        "OLLAMA-IS-BRIDGE",
        "blocker",
        "What is named as Ollama is a bridge",
        f"At {ollama.url} a bridge answers, as Ollama would.",
        "A bridge holds no models, and one before another only costs time.",
        "Name the Ollama behind it in engine.url; OLLAMA_HOST counts where that is not set.",
    )


def _version(ollama: OllamaFacts) -> Iterator[Finding]:
    message = f"{ollama.where} is {ollama.version or 'of no version'}; {_text(TESTED)} or newer is tested."
    try:
        judged = judge(ollama.version)
    except EngineNotUsable:
        yield Finding(
            "OLLAMA-OLD",
            "blocker",
            "This Ollama is too old",
            message,
            "It does not know Qwen3's embedding models, or gives wrong vectors for them.",
            f"Update it: {INSTALL}.",
        )
        return
    if judged.support == "source build":
        yield Finding(
            "OLLAMA-SOURCE",
            "note",
            "This Ollama was built from source and does not know its version",
            message,
            "What it can do is tried instead: `up` embeds with it before it says that it is up.",
            "Nothing.",
        )
    elif judged.support == "warned":
        yield Finding(
            "OLLAMA-AGEING",
            "warning",
            "This Ollama is older than what is tested",
            message,
            "Its vectors are right: they are checked before they are used. It cuts long texts in another way, and its "
            "runner has ended in use; the bridge catches what it can. Its counts leave the end of each text out, which "
            "is added.",
            f"Update it: {INSTALL}.",
        )


def check_docker(daemon: Daemon) -> Iterator[Finding]:
    if daemon.why_not:
        yield Finding(
            "DOCKER-UNREACHABLE",
            "blocker",
            "Docker cannot be used",
            f"{daemon.why_not[:1].upper()}{daemon.why_not[1:]}.",
            "Nothing can be run in containers.",
            "Start it (`sudo systemctl start docker`, or Docker Desktop); if only root may: `sudo usermod -aG docker "
            "$USER` and sign in again. Or take `--mode native`.",
        )
        return
    if daemon.compose is None or numbers(daemon.compose) < COMPOSE_LEAST:
        seen = f"is {daemon.compose}" if daemon.compose else "is not there"
        yield Finding(
            "COMPOSE-OLD",
            "blocker",
            "Docker Compose is missing or too old",
            f"`docker compose` {seen}; {_text(COMPOSE_LEAST)} or newer is needed.",
            "The stack's compose file cannot be read.",
            "Install the package docker-compose-plugin (https://docs.docker.com/compose/install/), or take "
            "`--mode native`.",
        )
    if numbers(daemon.version) < DOCKER_LEAST:
        yield Finding(
            "DOCKER-OLD",
            "warning",
            "The Docker engine is older than what is tested",
            f"It is {daemon.version}; {_text(DOCKER_LEAST)} or newer is tested.",
            "Health checks or host.docker.internal may not work.",
            "Update it (https://docs.docker.com/engine/install/).",
        )


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
