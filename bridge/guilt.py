"""What is answered for a text that is kept back, and why."""

from embedstack.bridge.checks import BrokenVectors
from embedstack.bridge.engines.quarantine import Quarantine
from embedstack.bridge.errors import BridgeError, TextKillsEngine


def guilty() -> TextKillsEngine:
    return TextKillsEngine(
        "it ended the engine twice, alone, and is not sent again for now; other texts are not at fault.",
        "Send the request again without it, and report the text to the engine's makers. If the engine's log says that "
        "it was killed from outside, give it more memory instead.",
    )


def spoilt() -> BrokenVectors:
    return BrokenVectors(
        "the engine makes no finite vector of it, after a reset either, and it is not sent again for now; other texts "
        "are not at fault.",
        "Send the request again without it; another quantisation (bf16, Q8_0) or an engine on the CPU may take it.",
    )


def kept_back(quarantine: Quarantine, key: bytes) -> BridgeError | None:
    """Why a text is not sent at all; None where it may be."""
    if quarantine.holds(key):
        return guilty()
    return spoilt() if quarantine.breaks(key) else None
