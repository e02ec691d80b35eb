"""What is written for people, held against the glossary of CONTRIBUTING.md and proselint's own checks: `make lint`.

    python -m tests.prose [FILE …]

Documents get both; the strings, docstrings, comments and names of the sources get the glossary. Code spans, code blocks
and link targets are not read.
"""

from __future__ import annotations

import io
import keyword
import re
import sys
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.registry.checks import Check, types
from proselint.tools import LintFile

from tests.paths import ROOT

GLOSSARY = ROOT / "CONTRIBUTING.md"
DOCUMENTS = ("*.md", "docs/*.md", "docs/decisions/*.md")
SOURCES = ("bridge/**/*.py", "deploy/**/*.py", "embedstack/*.py", "embedstack/[!bd]*/**/*.py")
OURS = "glossary"

# proselint's own that do not fit: quotes and dashes are typed as on a keyboard, and the rest reads figures as prose.
_OFF = ("typography", "dates_times", "annotations", "misc.phrasal_adjectives", "redundancy", "restricted")
_ROW = re.compile(r"^\|[^|]*\|[^|]*\|(?P<wrong>[^|]*)\|$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+(?:\n(?!\n)[^`\n]*)?`")
_FENCED = re.compile(r"^[ ]*```.*?^[ ]*```[ ]*$", re.MULTILINE | re.DOTALL)
_HIDDEN = re.compile(r"<!--.*?-->|\]\([^)\n]*\)", re.DOTALL)
# What a phrase of the glossary also is in good English.
_IDIOM = re.compile(
    r"\bthere\s+(is|are)\s+(no|none)\b|\b(is|are)\s+no\s+(longer|more|reason)\b|\bwhere\s+(is|are)\s+no\b",
    re.IGNORECASE,
)


def wrong(glossary: str) -> tuple[str, ...]:
    """The phrases of the last column of its table, which stand in backquotes."""
    section = glossary.partition("\n## Words")[2].partition("\n## ")[0]
    return tuple(phrase for row in _ROW.finditer(section) for phrase in re.findall(r"`([^`]+)`", row["wrong"]))


def pattern(phrase: str) -> str:
    """A phrase as a regular expression: it may be broken over lines, and `…` is any word."""
    return r"\s+".join(r"\w+" if word == "…" else re.escape(word) for word in phrase.split())


@cache
def _register() -> CheckRegistry:
    from proselint.checks import __register__  # all of its own, in one tuple

    registry = CheckRegistry()
    registry.register_many(__register__)
    for phrase in wrong(GLOSSARY.read_text(encoding="utf-8")):
        message = f"'{phrase}' stands in the glossary of {GLOSSARY.name} under what not to write."
        registry.register(Check(check_type=types.Existence(items=(pattern(phrase),)), path=OURS, message=message))
    return registry


def prose(text: str) -> str:
    """A document with what is no prose blanked out, each character in its place."""
    for blank in (_FENCED, _HIDDEN, _CODE, _IDIOM):
        text = blank.sub(_blank, text)
    return text


def written(source: str) -> str:
    """Of a Python source the strings, comments and names, each character in its place."""
    lines = source.splitlines(keepends=True)
    kept = [re.sub(r"[^\n]", " ", line) for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind not in ("STRING", "COMMENT", "FSTRING_MIDDLE", "NAME") or keyword.iskeyword(token.string):
            continue
        (first, left), (last, right) = token.start, token.end
        for row in range(first - 1, last):
            begin, end = left if row == first - 1 else 0, right if row == last - 1 else len(lines[row])
            shown = lines[row][begin:end].replace("_", " ") if kind == "NAME" else lines[row][begin:end]
            kept[row] = kept[row][:begin] + shown + kept[row][end:]
    text = re.sub(r"\{[^{}\n]*\}", _blank, "".join(kept))
    return re.sub("[\"'#]", " ", prose(text))


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "¤", found[0])


def findings(name: str, text: str, *, ours_alone: bool = False) -> Iterator[str]:
    """`NAME:LINE: what is wrong` of each, in the order of the lines; `text` as `prose` or `written` gives it."""
    enabled = {OURS: True} | ({} if ours_alone else DEFAULT["checks"] | dict.fromkeys(_OFF, False))
    _register()
    if not text.strip():
        return
    for result in LintFile(name, text).lint({"max_errors": 1000, "checks": enabled}):
        found = text[slice(*(place - 1 for place in result.check_result.span))]  # proselint puts a newline before it
        if "\n\n" not in found and "|" not in found:  # no word is repeated by the paragraph after its heading
            yield f"{name}:{result.pos[0]}: {' '.join(result.check_result.message.split())}"


def of_file(path: Path) -> list[str]:
    text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
    if path.suffix == ".md":
        return list(findings(name, prose(text)))
    return list(findings(name, written(text), ours_alone=True))


def files() -> list[Path]:
    """All that `make lint` reads."""
    return sorted({path for glob in (*DOCUMENTS, *SOURCES) for path in ROOT.glob(glob) if ".zh" not in path.name})


def main(named: Sequence[str]) -> int:
    found = [line for path in ([Path(name).resolve() for name in named] or files()) for line in of_file(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
