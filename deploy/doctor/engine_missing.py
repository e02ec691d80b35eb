"""No engine can be had: what the choice of one says, as a finding. Pure."""

from collections.abc import Sequence

from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.errors import DeployError

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
