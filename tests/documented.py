"""The `console` blocks of a document: typed as they stand, their output held against the one that is shown."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.engines.process import process
from tests.paths import ROOT

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A duration, and every other number with decimals, which another CPU may round in another way; no version or address.
_TIME = re.compile(r"\b\d+(?:\.\d+)? m?s\b")
_DECIMAL = re.compile(r"-?(?<![\d.])\d+\.\d+(?![\d.])")
_VARIES = re.compile(rf"(…|{_TIME.pattern}|{_DECIMAL.pattern})")
CLOSE = 0.02
"""By how much a score may differ from the one that is shown."""

_WAIT = """
import sys, time, urllib.request
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
until = time.monotonic() + 180
while True:
    try:
        ask(sys.argv[1], timeout=5).close()
        break
    except OSError:
        if time.monotonic() > until:
            raise
        time.sleep(0.1)
"""


@dataclass(frozen=True)
class Command:
    """A line after a prompt, and the lines that are shown under it; none where it is shown without its output."""

    line: str
    shown: tuple[str, ...]

    @property
    def typed(self) -> str:
        """Without its comment."""
        return re.sub(r"\s+#\s.*$", "", self.line)


@dataclass(frozen=True)
class Block:
    """A block of one document."""

    document: str
    commands: tuple[Command, ...]

    def replaced(self, by: Mapping[str, str]) -> Block:
        """The same with other names and ports, in commands and output alike."""

        def put(text: str) -> str:
            return re.sub("|".join(map(re.escape, by)), lambda found: by[found[0]], text) if by else text

        return Block(self.document, tuple(Command(put(one.line), tuple(map(put, one.shown))) for one in self.commands))


def blocks(document: str) -> list[Block]:
    """All of a document, in their order."""
    return [Block(document, tuple(_commands(found))) for found in _BLOCK.findall((ROOT / document).read_text("utf-8"))]


def _commands(block: str) -> list[Command]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not parts[0].strip(), f"a block begins with {parts[0]!r}, and not with a prompt"
    found = [part.rstrip("\n").split("\n") for part in parts[1:]]
    return [Command(line, tuple(shown)) for line, *shown in found]


def run(block: Block, folder: Path, env: Mapping[str, str], *, ready: Mapping[str, str] | None = None) -> None:
    """Type all of it into one shell, in `folder`, and hold what each command writes to standard output against what is
    shown. AssertionError where it differs, or a command fails.

    A command that ends in `&` is waited for until its address in `ready`, by the program's name, answers, and is
    stopped at the end. A file that is shown by `cat` is written first.
    """
    script = ["set -eo pipefail", f"cd {shlex.quote(str(folder))}"]
    for number, command in enumerate(block.commands):
        typed = command.typed
        if typed.startswith("cat "):
            (folder / typed.removeprefix("cat ")).write_text("\n".join([*command.shown, ""]), encoding="utf-8")
        if typed.endswith("&"):
            program = typed.split()[0]
            script.append(f"{typed.removesuffix('&')} >{program}.log 2>&1 &")
            script.append(shlex.join([sys.executable, "-c", _WAIT, (ready or {})[program]]))
        else:
            script.append(f"{{ {typed}\n}} >{number}.out")
    log = folder / "typed.log"
    with process(["bash", "-c", "\n".join(script)], env=env, log=log) as shell:
        status = shell.wait()
    logs = (path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.log")))
    assert status == 0, "\n".join([f"exit status {status}", *logs])
    for number, command in enumerate(block.commands):
        if not command.typed.endswith("&") and command.shown:
            assert_shown(command.shown, (folder / f"{number}.out").read_text(encoding="utf-8"))


def assert_shown(shown: Sequence[str], written: str) -> None:
    """The same lines, but for blank ones and the room between words; `…` is any text, alone on a line any lines. A time
    is any time; other numbers with decimals differ by CLOSE at most. AssertionError with both.
    """
    wanted, lines = _lines("\n".join(shown)), _lines(written)
    assert _match(wanted, lines), "\n".join(["shown:", *wanted, "", "written:", *lines])


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _match(wanted: list[str], lines: list[str]) -> bool:
    if not wanted:
        return not lines
    if wanted[0] == "…":
        return any(_match(wanted[1:], lines[skipped:]) for skipped in range(len(lines) + 1))
    return bool(lines) and _alike(wanted[0], lines[0]) and _match(wanted[1:], lines[1:])


def _alike(wanted: str, line: str) -> bool:
    parts = _VARIES.split(wanted)  # what stands fast, and between two of these what varies
    pattern = "".join(_form(part) if number % 2 else re.escape(part) for number, part in enumerate(parts))
    found = re.fullmatch(pattern, line)
    numbers = [float(part) for part in parts[1::2] if _DECIMAL.fullmatch(part)]
    return found is not None and all(
        abs(float(reported) - number) <= CLOSE for reported, number in zip(found.groups(), numbers, strict=True)
    )


def _form(part: str) -> str:
    if part == "…":
        return ".*"
    return rf"({_DECIMAL.pattern})" if _DECIMAL.fullmatch(part) else _TIME.pattern
