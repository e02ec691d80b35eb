"""What a version of Ollama does that others do otherwise, known to the toolkit and to the bridge alike. Pure.

0.12 brought its own engine for qwen3-embedding, 0.30 gave it up for llama.cpp's server, which is what is tested here.
Nothing was released between 0.24 and 0.30.
"""

import re

OLDEST, TESTED = (0, 12), (0, 30)
PROBE = "a"
"""One token and the end of text: tells what is counted where the version does not."""


def parse(text: str) -> tuple[int, int, int] | None:
    """`0.34.4`, `v0.33.0-rc2` as numbers; None for what is no such version."""
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d.])", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def from_source(text: str) -> bool:
    """Whether it names no version (0.0.0), as a build from source does."""
    return parse(text) in (None, (0, 0, 0))


def uncounted(text: str) -> int | None:
    """Tokens of each text that `prompt_eval_count` leaves out: before 0.30 the end of text, which is embedded all the
    same (0.12.6, run: cosine 1.0 with the right vectors). None where the version does not tell: see `uncounted_by`.
    """
    version = parse(text)
    if version is None or from_source(text):
        return None
    return 1 if version < TESTED else 0


def uncounted_by(count: int | None) -> int:
    """The same by what was counted of PROBE."""
    return 1 if count == 1 else 0
