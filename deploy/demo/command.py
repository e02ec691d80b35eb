"""`embedstack demo`: build the stand-in model, start a bridge with it, ask one question, and go on serving.

The guided query: an invented company's handbook, one question, and what the bridge makes of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text

from embedstack import extras
from embedstack.contract import PORT
from embedstack.deploy.bridge_client import BridgeClient
from embedstack.deploy.console import Report
from embedstack.deploy.demo import model as demo_model
from embedstack.deploy.demo.child import BridgeChild, demo_bridge
from embedstack.deploy.errors import ExtraMissing, WrongRanking
from embedstack.deploy.machine import ports
from embedstack.models.demo.lexicon import read
from embedstack.vectors.mrl import cut

DIMENSIONS = (2560, 1024, 256, 32)


class Passage(msgspec.Struct, frozen=True):
    """A paragraph of the handbook."""

    id: str
    text: str


class Question(msgspec.Struct, frozen=True):
    """What is asked, and the id of the paragraph that answers it."""

    text: str
    answer: str


@dataclass(frozen=True)
class Scored:
    """A paragraph and its cosine to the question by dimension, with the query instruction and without."""

    id: str
    text: str
    instructed: dict[int, float]
    plain: dict[int, float]


@dataclass(frozen=True)
class Guided:
    """`rendered` is the question as the engine got it; `ranking` goes by the instructed scores at full length."""

    question: str
    rendered: str
    answer: str
    ranking: tuple[Scored, ...]

    @property
    def first(self) -> dict[int, str]:
        """The best paragraph's id at each dimension, with the instruction."""
        return {k: max(self.ranking, key=lambda scored: scored.instructed[k]).id for k in DIMENSIONS}

    @property
    def right(self) -> bool:
        return set(self.first.values()) == {self.answer}


def handbook() -> list[Passage]:
    return msgspec.yaml.decode(read("passages.yaml"), type=list[Passage])


def questions() -> list[Question]:
    return msgspec.yaml.decode(read("questions.yaml"), type=list[Question])


def ask(client: BridgeClient, model: str, question: Question, passages: Sequence[Passage]) -> Guided:
    """Embed passages as documents, then `question` as a query and as plain text at every dimension, and rank."""
    documents = client.embed([p.text for p in passages], model=model, dimensions=DIMENSIONS[0], role="document")
    cosines = {
        k: [
            cut(documents, k) @ client.embed([question.text], model=model, dimensions=k, role=role)[0]
            for role in ("query", None)
        ]
        for k in DIMENSIONS
    }
    scored = [
        Scored(
            passage.id,
            passage.text.strip(),
            instructed={k: float(cosines[k][0][i]) for k in DIMENSIONS},
            plain={k: float(cosines[k][1][i]) for k in DIMENSIONS},
        )
        for i, passage in enumerate(passages)
    ]
    scored.sort(key=lambda s: s.instructed[DIMENSIONS[0]], reverse=True)
    rendered = client.render(question.text, model=model, role="query")
    return Guided(question.text, rendered, question.answer, tuple(scored))


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
    if missing := extras.missing("embedded"):
        raise ExtraMissing(missing.message, missing.advice)
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
