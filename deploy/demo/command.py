"""`embedstack demo`: build the stand-in model, start a bridge with it, ask one question, and go on serving."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.demo import model as demo_model
from embedstack.deploy.demo.child import BridgeChild, demo_bridge
from embedstack.deploy.errors import WrongRanking
from embedstack.deploy.guided import DIMENSIONS, Guided, Scored, ask, handbook, questions
from embedstack.deploy.machine import ports

PORT = 11435
SHOWN = 5  # paragraphs of the ranking that a person gets to see; the JSON has all of them
PARAGRAPH, GROUP = 31, 24  # cells of the table's columns


@dataclass(frozen=True)
class Demo:
    """What the demo found. `url` is the bridge's address, and `serving` whether it stays there."""

    url: str
    guided: Guided
    model: demo_model.DemoModel
    serving: bool

    @property
    def curl(self) -> str:
        where = f"localhost:{self.url.rpartition(':')[2] if self.serving else PORT}"
        return f"""curl {where}/api/embed -d '{{"model":"demo","input":["x"],"dimensions":32}}'"""

    def __rich__(self) -> Group:
        later = f"Serving at {self.url}. Try:" if self.serving else "To keep it running, leave out --once. Then try:"
        return Group(
            "",
            Text(self.guided.question, style="bold"),
            Text.assemble(("the engine gets: ", "dim"), repr(self.guided.rendered)),
            "",
            *_table(self.guided),
            Text(f"… and {len(self.guided.ranking) - SHOWN} more; the scores are cosines", style="dim"),
            "",
            Text(self.model.note, style="yellow"),
            "",
            Text(later),
            Text(f"  {self.curl}", no_wrap=True, overflow="ignore"),
        )


def run(report: Report, *, once: bool, port: int | None) -> None:
    """Show the guided query; unless `once`, serve until Ctrl-C. WrongRanking where the answer is not first."""
    port = _choose(port, once=once)
    built = demo_model.demo(report)
    with _bridge(report, port) as child:
        with report.step("a question to it"):
            guided = ask(child.client, built.name, questions()[0], handbook())
        if not guided.right:
            first = ", ".join(f"`{name}` at {k}" for k, name in guided.first.items())
            raise WrongRanking(
                f"{guided.question} is answered by `{guided.answer}`, but first came {first}.",
                "The vectors are wrong: please report it with the output of `embedstack demo --once --json`.",
            )
        report.show(Demo(child.client.url, guided, built, serving=not once))
        if not once:
            _serve(report, child)


def _choose(port: int | None, *, once: bool) -> int:
    """The port asked for, else the usual one; with `once` nobody needs to know it, so any will do. PortTaken."""
    if port is None and once:
        return ports.free_port()
    chosen = port or PORT
    ports.ensure_free(chosen, f"Stop it, or choose another port: `embedstack demo --port {ports.free_port()}`.")
    return chosen


@contextmanager
def _bridge(report: Report, port: int) -> Iterator[BridgeChild]:
    with ExitStack() as stack:
        with report.step(f"bridge on port {port}"):
            child = stack.enter_context(demo_bridge(port))
        yield child


def _serve(report: Report, child: BridgeChild) -> None:
    with suppress(KeyboardInterrupt):
        report.say("[dim]Ctrl-C ends it.[/]")
        child.wait()
    report.say("Stopped.")


def _table(guided: Guided) -> Iterator[Text]:
    """The ranking's first lines, 80 cells wide, where a Chinese character takes two."""
    groups = f"{'with the instruction':^{GROUP}}{'without it':^{GROUP}}"
    yield Text(" " * PARAGRAPH + groups, style="dim")
    yield Text(f"{'paragraph':<{PARAGRAPH}}" + "".join(f"{k:>6}" for k in (*DIMENSIONS, *DIMENSIONS)), style="dim")
    for scored in guided.ranking[:SHOWN]:
        yield Text(_line(scored), style="bold" if scored.id == guided.answer else "")


def _line(scored: Scored) -> str:
    fits = cell_len(scored.text) < PARAGRAPH
    text = scored.text if fits else set_cell_size(scored.text, PARAGRAPH - 2).rstrip() + "…"
    scores = (*scored.instructed.values(), *scored.plain.values())
    return set_cell_size(text, PARAGRAPH) + "".join(f"{score:>6.2f}" for score in scores)
