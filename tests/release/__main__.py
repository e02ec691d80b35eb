"""`python -m tests.release`: build what is released, and check it as somebody who installs it will find it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.paths import ROOT
from tests.release import artifacts, checks, image
from tests.release.artifacts import ReleaseFault

Found = TypeVar("Found")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all of it can be released, else 1; what is wrong is said."""
    options = _parser().parse_args(argv)
    try:
        _release(options)
    except ReleaseFault as fault:
        print(f"release-check: {fault}", file=sys.stderr)
        return 1
    print(f"\n{options.into}: every check passed; docs/releasing.md says what is left to do by hand.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument(
        "--into", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist; emptied first"
    )
    parser.add_argument("--tag", metavar="vVERSION", help="the tag that is released: then all must be final")
    parser.add_argument("--image", action="store_true", help="the bridge's image too; wants Docker")
    parser.add_argument("--base", metavar="IMAGE", help="what the image is built on, in place of Docker Hub's Python")
    return parser


def _release(options: argparse.Namespace) -> None:
    folder: Path = options.into
    number = _step("version", lambda: checks.version(ROOT, options.tag))
    wheel, sdist = _step("wheel and sdist", lambda: artifacts.build(ROOT, folder))
    _step("metadata", lambda: artifacts.check_metadata(wheel, sdist, number))
    with tempfile.TemporaryDirectory(prefix="embedstack-release-") as empty:
        _step("installed in an empty home, newest dependencies", lambda: checks.first_vector(wheel, Path(empty)))
        _step("SBOM of the pinned versions", lambda: artifacts.sbom(ROOT, wheel, Path(empty)))
    if options.image:
        _step("the bridge's image and its SBOM", lambda: image.build(ROOT, folder, number, options.base))
    else:
        print("  – the bridge's image: not built; --image builds it where Docker runs")
    _step("checksums", lambda: artifacts.checksums(folder))


def _step(name: str, do: Callable[[], Found]) -> Found:
    began = time.monotonic()
    found = do()
    message = ", ".join(part.name if isinstance(part, Path) else str(part) for part in _parts(found))
    print(f"  ✓ {name}: {message}  {time.monotonic() - began:.1f} s", flush=True)
    return found


def _parts(found: object) -> tuple[object, ...]:
    return found if isinstance(found, tuple) else (found,)


sys.exit(main())
