"""A prompt that a client wrote and nearly got right, as the model was trained on it. Pure.

Clients join a prompt and a text with a space (LlamaIndex, qmd), and prompts in variables of the environment come with a
`\\n` spelt out: each makes another first token than the model knows. What is recognised begins with the style's first
mark and has its second at the beginning of a line; only blanks around the marks and the break between them are touched.
"""

import re
from collections.abc import Iterable

from embedstack.models.catalog import PromptStyle

_BLANKS = " \t"


class Correction:
    """For one style. A style whose own text stands behind a blank, or on the line of its instruction, has nothing that
    could be told from the text itself: such prompts stay as they are.
    """

    def __init__(self, style: PromptStyle) -> None:
        head, _, rest = style.template.partition("{instruction}")
        middle = rest.removesuffix("{text}")
        self._head, self._middle = head, middle
        self._mark = head.strip()
        second = middle.strip()
        self._applies = bool(self._mark and second) and middle[0] == "\n" and not middle[-1].isspace()
        self._break = re.compile(rf"(?:\r\n|\r|\n|\\n)[{_BLANKS}]*{re.escape(second)}[{_BLANKS}]*")
        self._fixed = tuple(_fixed(style.tasks.values()))

    def read(self, text: str, prefix: str) -> str | None:
        """The text as the style writes it, where it is a prompt of the style or nearly one; None where it is not.

        `prefix` is what would be put before it, "" for nothing: of the prefixes without an instruction that one counts,
        or any where there is none.
        """
        if self._applies and text.startswith(self._mark):
            return self._instructed(text)
        for fixed in self._fixed:
            if text.startswith(fixed) and prefix in ("", fixed):
                return fixed + text[len(fixed) :].lstrip(_BLANKS)
        return None

    def _instructed(self, text: str) -> str | None:
        found = self._break.search(text, len(self._mark))
        if found is None:
            return None
        instruction = text[len(self._mark) : found.start()].strip(f"{_BLANKS}\r\n")
        return f"{self._head}{instruction}{self._middle}{text[found.end() :]}"


def _fixed(templates: Iterable[str]) -> Iterable[str]:
    """The prefixes that hold no instruction and end with no blank, the longest first."""
    prefixes = {template.removesuffix("{text}") for template in templates if "{instruction}" not in template}
    return sorted((prefix for prefix in prefixes if prefix.strip() and not prefix[-1].isspace()), key=len, reverse=True)
