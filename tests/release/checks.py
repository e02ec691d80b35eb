"""Whether it may be released: one version everywhere, and right vectors for somebody with an empty home."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import tomllib
from pathlib import Path

from tests.release.artifacts import ReleaseFault, run

_ENTRY = re.compile(r"^## (\S+) \((.+)\)$", re.MULTILINE)
_IMAGE = re.compile(r"\bembedstack/bridge:(\d+\.\d+[\w.]*\w)")
_IMAGES = ("compose/*", "deploy/settings.py", "docs/*.md", "*.md", "*.example.yaml")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_THEIRS = ("PYTHON", "EMBED", "OLLAMA", "XDG_", "VIRTUAL_ENV", "UV_CACHE_DIR", "UV_TOOL", "PIPX")


def version(root: Path, tag: str | None) -> str:
    """The version. ReleaseFault where the changelog's newest entry has another; and with a `tag`, where that has
    another, the entry has no day, or something is not committed.
    """
    number = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    newest = _ENTRY.search((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if newest is None or newest[1] != number:
        message = newest[1] if newest else "none"
        raise ReleaseFault(
            f"pyproject.toml has {number}, the newest entry of CHANGELOG.md {message}. Bring them together."
        )
    files = (path for pattern in _IMAGES for path in sorted(root.glob(pattern)) if path.is_file())
    for path in files:
        if others := set(_IMAGE.findall(path.read_text(encoding="utf-8"))) - {number}:
            where = path.relative_to(root)
            raise ReleaseFault(f"{where} has the bridge's image of {', '.join(others)}, and the version is {number}.")
    if tag is not None:
        _final(root, number, newest[2], tag)
    return number


def _final(root: Path, number: str, when: str, tag: str) -> None:
    if tag != f"v{number}":
        raise ReleaseFault(f"The tag is {tag}, and the version {number}: the tag has to be v{number}.")
    if not _DAY.fullmatch(when):
        raise ReleaseFault(f"CHANGELOG.md says {number} ({when}). Put the day there, as {number} (2026-01-31).")
    if changed := run("git", "status", "--porcelain", cwd=root):
        raise ReleaseFault(f"These files are not as they were committed:\n{changed}")


def first_vector(wheel: Path, home: Path) -> str:
    """`uvx embedstack demo` with this wheel, nothing cached and the newest dependencies. ReleaseFault where the vectors
    are wrong. What comes back has the time to the first right one, fetching included.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_THEIRS)}
    environment = {**clean, "HOME": str(home), "UV_PYTHON": sys.executable}
    uvx = Path(sys.executable).with_name("uvx")
    began = time.monotonic()
    shown = run(uvx, "--from", wheel, "embedstack", "demo", "--once", "--json", cwd=home, env=environment)
    took = time.monotonic() - began
    if (first := json.loads(shown)["data"]["guided"]["ranking"][0]["id"]) != "holiday":
        raise ReleaseFault(f"`uvx embedstack demo` found the paragraph {first!r}, where `holiday` is the answer.")
    return f"first right vector after {took:.0f} s"
