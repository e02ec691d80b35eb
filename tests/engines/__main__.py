"""`python -m tests.engines`: build or install every engine that the tests run against, into a cache folder."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console

from tests.engines.buildlog import BuildError, tail
from tests.engines.display import ConsoleDisplay
from tests.engines.install import install
from tests.engines.locate import RECIPES
from tests.engines.recipe import Recipe, engines_root

FAILURE_LINES = 30


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every engine asked for is there; 1 when a build failed; 130 when interrupted."""
    options = _parser().parse_args(argv)
    recipes = [RECIPES[name] for name in options.only or RECIPES]
    root = engines_root()
    if not options.list and (code := _install(recipes, root)):
        return code
    _report(recipes, root, as_json=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.engines", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="NAME", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--list", action="store_true", help="say what is installed and build nothing")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    return parser


def _install(recipes: Sequence[Recipe], root: Path) -> int:
    console = Console(stderr=True)
    try:
        with _sigterm_raises(), closing(ConsoleDisplay(console)) as display:
            install(recipes, root, display)
    except BuildError as error:
        _explain(error, console)
        return 1
    except OSError as error:
        way_out = f"If {root} cannot be written to, set EMBEDSTACK_ENGINES to a folder that can."
        _print([f"the engines cannot be installed: {error}. {way_out}"], console)
        return 1
    except KeyboardInterrupt:
        _print(["interrupted: the same command goes on from here"], console)
        return 130
    return 0


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C: the command that runs is ended too."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explain(error: BuildError, console: Console) -> None:
    lines = [str(error)]
    if error.log is not None:
        lines = [*tail(error.log, FAILURE_LINES), "", str(error), f"the whole log: {error.log}"]
    _print(lines, console)


def _print(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _report(recipes: Sequence[Recipe], root: Path, *, as_json: bool) -> None:
    rows = [
        {**recipe.stamp(), "installed": recipe.installed(root), "folder": str(recipe.folder(root))}
        for recipe in recipes
    ]
    if as_json:
        print(json.dumps({"schema": 1, "root": str(root), "engines": rows}, indent=2))
        return
    for row in rows:
        print(f"{row['name']:<10} {row['version']:<8} {row['folder'] if row['installed'] else 'not installed'}")


if __name__ == "__main__":
    sys.exit(main())
