"""Which versions of Ollama can be used. Pure."""

from dataclasses import dataclass
from typing import Literal

from embedstack.deploy.errors import EngineNotUsable
from embedstack.host.ollama import OLDEST, TESTED, from_source, parse_version

INSTALL = "Install a newer one (https://ollama.com/download), or name another: `--set engine.url=http://HOST:11434`."
Support = Literal["supported", "warned", "source build"]


@dataclass(frozen=True)
class Judged:
    """A version that can be used; `note` says what to know of it, "" for nothing."""

    version: str
    support: Support
    note: str


def judge(text: str) -> Judged:
    """EngineNotUsable for a version that is too old. What names no version (0.0.0) was built from source."""
    version = parse_version(text)
    if version is None or from_source(text):
        note = f"this Ollama calls itself {text or 'nothing'}, as a build from source does: its answers are checked"
        return Judged(text, "source build", note)
    if version < OLDEST:
        raise EngineNotUsable(f"Ollama {text} is too old: its vectors of Qwen3-Embedding are not right.", INSTALL)
    if version < TESTED:
        note = (
            f"Ollama {text} computes with an engine of its own, which is not tested here: 0.30 or newer is better. Its "
            "vectors are checked; its counts leave the end of each text out, which is added"
        )
        return Judged(text, "warned", note)
    return Judged(text, "supported", "")


def needs_llama_server(text: str) -> bool:
    """Whether it runs its models in llama.cpp's server, a program beside it. A build from source is taken for new."""
    version = parse_version(text)
    return version is None or from_source(text) or version >= TESTED
