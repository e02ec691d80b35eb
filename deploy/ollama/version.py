"""Which versions of Ollama can be used. Pure.

0.12 brought its own engine for qwen3-embedding, 0.30 gave it up for llama.cpp's server, which is what is tested here.
Nothing was released between 0.24 and 0.30.
"""

import re
from dataclasses import dataclass
from typing import Literal

from deploy.errors import EngineNotUsable

OLDEST, TESTED = (0, 12), (0, 30)
INSTALL = "Install a newer one (https://ollama.com/download), or name another: `--set engine.url=http://HOST:11434`."
Support = Literal["supported", "warned", "source build"]


@dataclass(frozen=True)
class Judged:
    """A version that can be used; `note` says what to know of it, "" for nothing."""

    version: str
    support: Support
    note: str


def parse(text: str) -> tuple[int, int, int] | None:
    """`0.34.4`, `v0.33.0-rc2` as numbers; None for what is no such version."""
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d.])", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def judge(text: str) -> Judged:
    """EngineNotUsable for a version that is too old. What names no version (0.0.0) was built from source."""
    version = parse(text)
    if version is None or version == (0, 0, 0):
        note = f"this Ollama calls itself {text or 'nothing'}, as a build from source does: its answers are checked"
        return Judged(text, "source build", note)
    if version < OLDEST:
        raise EngineNotUsable(f"Ollama {text} is too old: its vectors of Qwen3-Embedding are not right.", INSTALL)
    if version < TESTED:
        note = f"Ollama {text} computes with an engine of its own, which is not tested here: 0.30 or newer is better"
        return Judged(text, "warned", note)
    return Judged(text, "supported", "")


def needs_llama_server(text: str) -> bool:
    """Whether it runs its models in llama.cpp's server, a program beside it. A build from source is taken for new."""
    version = parse(text)
    return version is None or version == (0, 0, 0) or version >= TESTED
