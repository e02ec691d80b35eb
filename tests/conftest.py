"""Which engines the tests run against: the embedded one by default, every one with `--engines=all`, or a list."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedstack.models.demo.build import DemoFiles, build, default_folder
from tests import spread
from tests.engines.locate import ENGINES, RECIPES, locate
from tests.engines.run import STARTED
from tests.paths import ROOT
from tests.random_fixture import RandomFixture, make
from tests.stacks import EMBEDDED, Served, Stacks

ALL = (EMBEDDED, *ENGINES)
ASIDE = (ROOT / "tests" / "e2e", ROOT / "tests" / "upgrade")
"""What runs when it is asked for by name: `make test-e2e`, `make test-upgrade`."""
BESIDE = tuple(name for name in RECIPES if name not in ENGINES)
"""What is built like an engine and embeds nothing: what the tests of containers need."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        default=EMBEDDED,
        help=f"engines to test against: all, or a comma-separated list of {', '.join((*ALL, *BESIDE))}. "
        "A missing one is an error.",
    )
    parser.addoption(
        "--beyond",
        default="",
        help="engines whose tests have run: what --engines with these would run is left out (.ci/run: none runs twice)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*engines): deselected unless all of these engines are tested against")
    config.addinivalue_line("markers", "process: starts a process; `make test-fast` leaves it out")
    config.addinivalue_line("markers", "slow: half a second or more; `make test-fast` leaves it out")
    config.addinivalue_line("markers", "thorough: takes long; runs with --engines=all, not in the quick `make test`")
    # A shell without job control starts what ends in `&` with Ctrl-C ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _been_through(config)  # a name that is none is refused here, before anything is collected
    missing = [name for name in _asked_for(config) if name != EMBEDDED and locate(name) is None]
    if missing and not config.option.collectonly:
        raise pytest.UsageError(f"not installed: {', '.join(missing)}; run `make engines`")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Open WebUI and a browser, or an earlier version of the stack, run when they are asked for by name."""
    if collection_path not in ASIDE:
        return None
    named = [Path(argument.split("::")[0]).absolute() for argument in config.args]
    return None if any(path.is_relative_to(collection_path) for path in named) else True


def selected(config: pytest.Config) -> tuple[str, ...]:
    """The engines asked for, in a fixed order."""
    return tuple(name for name in _asked_for(config) if name in ALL)


def _asked_for(config: pytest.Config) -> tuple[str, ...]:
    return _names("--engines", str(config.getoption("--engines")))


def _been_through(config: pytest.Config) -> tuple[str, ...]:
    given = str(config.getoption("--beyond"))
    return _names("--beyond", given) if given else ()


def _names(option: str, given: str) -> tuple[str, ...]:
    """In a fixed order. UsageError for a name that is none."""
    known = (*ALL, *BESIDE)
    names = known if given == "all" else tuple(given.split(","))
    if unknown := set(names) - set(known):
        raise pytest.UsageError(f"{option}: no such engine: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return tuple(name for name in known if name in names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", selected(metafunc.config), scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What cannot run is not collected at all, so that a skip never hides a check; nor is what --beyond leaves out."""
    here, before = frozenset(_asked_for(config)), frozenset(_been_through(config))
    is_chosen = [_runs_with(item, here) and not (before and _runs_with(item, before)) for item in items]
    config.hook.pytest_deselected(items=[item for item, chosen in zip(items, is_chosen, strict=True) if not chosen])
    items[:] = [item for item, chosen in zip(items, is_chosen, strict=True) if chosen]
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: spread.rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Asked where there are several processes."""
    return spread.FilesTogether(config, log) if config.getvalue("dist") == "loadfile" else None


def _runs_with(item: pytest.Item, engines: frozenset[str]) -> bool:
    """Whether `--engines` with these runs it: one that is bound to an engine has it as a parameter."""
    bound = getattr(getattr(item, "callspec", None), "params", {}).get("engine")
    return set(_needs(item)) <= engines and (bound is None or bound in engines)


def _needs(item: pytest.Item) -> tuple[str, ...]:
    named = tuple(str(name) for marker in item.iter_markers("needs") for name in marker.args)
    return (*ALL, *named) if item.get_closest_marker("thorough") else named


RAN = pytest.StashKey[set[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the process that started it which engines ran."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["engines"] = sorted(_ran(session.config))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed tells nothing."""
    stash = node.config.stash
    stash[RAN] = _ran(node.config) | set(getattr(node, "workeroutput", {}).get("engines", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"engines that ran: {', '.join(sorted(_ran(config))) or 'none'}")


def _ran(config: pytest.Config) -> set[str]:
    return config.stash.get(RAN, set()) | STARTED


@pytest.fixture(scope="session")
def demo() -> DemoFiles:
    """The demo model, built once and kept in the cache."""
    return build(default_folder())


@pytest.fixture(scope="session")
def random_fixture(tmp_path_factory: pytest.TempPathFactory) -> RandomFixture:
    """The random-weights fixture, built once and kept in the cache."""
    return make(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="session")
def stacks(demo: DemoFiles, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stacks]:
    """Engines with the demo model and bridges before them, each started once, at first use."""
    with Stacks(Served("demo", demo.gguf, demo.hf), tmp_path_factory.mktemp("stacks")) as running:
        yield running
    pytestconfig.stash[RAN] = pytestconfig.stash.get(RAN, set()) | running.versions


@pytest.fixture(scope="module")
def random_stacks(random_fixture: RandomFixture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """The same with the random-weights fixture; stopped with the module, since two of everything is a lot of memory."""
    served = Served("random", random_fixture.gguf, random_fixture.hf, random_fixture.catalog_arguments)
    with Stacks(served, tmp_path_factory.mktemp("random-stacks")) as running:
        yield running
