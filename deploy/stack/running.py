"""`embedstack down`, `restart`, `logs` and `status`: the verbs of a stack that was brought up."""

from collections.abc import Callable, Sequence

from embedstack.deploy import record
from embedstack.deploy.console import Report
from embedstack.deploy.errors import Blocked, EngineNotUsable, FileDamaged, NotRunning
from embedstack.deploy.places import Places, places
from embedstack.deploy.sites import found
from embedstack.deploy.stack import going
from embedstack.deploy.stack.result import Down, Status
from embedstack.deploy.state import NOT_WELL, exit_code
from embedstack.deploy.webui import install


def down(stack: str, report: Report, *, volumes: bool, sure: Callable[[], bool]) -> Down:
    """Stop the stack; its data stay unless `volumes`, for which `sure` is asked.

    NotRunning where there is none, FileDamaged, Blocked where nobody was sure.
    """
    where = places(stack)
    try:
        known = record.read(where)
    except FileDamaged as error:
        return _without_record(where, report, error, volumes=volumes, sure=sure)
    _ask(volumes=volumes, sure=sure)
    with report.step(f"stopping {stack}"):
        stopped = found.of_record(known, where, report).stop(volumes=volumes)
    left = _left(where, volumes=volumes)
    if known.engine == "ollama" and not known.managed:
        left += f"; the Ollama at {known.ollama_url} was there before and goes on"
    return Down(known.stack, stopped, left)


def _without_record(
    where: Places, report: Report, error: FileDamaged, *, volumes: bool, sure: Callable[[], bool]
) -> Down:
    """What runs is found without its record; the error where nothing does."""
    running = found.of_folder(where, report)
    try:
        parts = running.states()
    except EngineNotUsable:
        if volumes:  # there may be containers, whose volumes would be left
            raise
        parts = ()
    if not parts and not volumes:
        raise error
    report.warn(error.message)
    _ask(volumes=volumes, sure=sure)
    with report.step(f"stopping {where.root.name}"):
        stopped = running.stop(volumes=volumes) if parts else ()
    return Down(where.root.name, stopped, _left(where, volumes=volumes))


def _ask(*, volumes: bool, sure: Callable[[], bool]) -> None:
    if volumes and not sure():
        raise Blocked("Nothing was taken away.", "Say --yes if the data are to go; without --volumes they stay.")


def _left(where: Places, *, volumes: bool) -> str:
    if not volumes:
        return f"its data stay in {where.root}"
    where.remove()
    if not install.all_folders().is_dir():
        return "its data are gone too"
    return "its data are gone too; Open WebUI's program stays for other stacks: `embedstack webui uninstall` removes it"


def logs(stack: str, names: Sequence[str], report: Report, *, lines: int, follow: bool) -> None:
    """NotRunning where there is no such stack, or no such part of it."""
    where = places(stack)
    for line in found.of_record(record.read(where), where, report).logs(names, lines=lines, follow=follow):
        report.line(line)


def restart(stack: str, names: Sequence[str], report: Report) -> Status:
    """NotRunning where there is no such stack, or no such part of it."""
    where = places(stack)
    known = record.read(where)
    parts = found.of_record(known, where, report).restart(names)
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts))


def status(stack: str, report: Report) -> Status:
    """NotRunning where there is no such stack, and no `up` that is about to make it."""
    where = places(stack)
    up = going.read(where)
    try:
        known = record.read(where)
    except NotRunning:
        if up is None:
            raise
        return Status(up.stack, up.mode, up.model, (), NOT_WELL, up)
    parts = found.of_record(known, where, report).states()
    return Status(known.stack, known.mode, known.model, parts, exit_code(parts), up)
