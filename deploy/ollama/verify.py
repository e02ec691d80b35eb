"""Is a model in Ollama the one that was meant? Asked of Ollama itself, before anything is put in front of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from embedstack.deploy.errors import EngineRefused
from embedstack.deploy.ollama.server import Ollama, same_name
from embedstack.deploy.smoke import verdicts
from embedstack.deploy.smoke.verdicts import SmokeVerdict
from embedstack.models.model import Model, Reference

CAPABILITY = "embedding"


@dataclass(frozen=True)
class Compared:
    """What was found and what must be."""

    name: str
    value: str
    must: str
    ok: bool


def verify(
    server: Ollama, name: str, model: Model, precision: str, keep_alive: float | str | None = None
) -> tuple[Compared, ...]:
    """Every check, all passed. EngineRefused naming those that are not. The model is loaded, for `keep_alive`."""
    checks = tuple(check(server, name, model, precision, keep_alive))
    if failed := [check for check in checks if not check.ok]:
        message = "; ".join(f"{check.name} is {check.value} and must be {check.must}" for check in failed)
        of = f"{model.id} --quantisation {precision}"
        raise EngineRefused(
            f"{name} in the Ollama at {server.url} gives wrong vectors: {message}.",
            f"Make it again: `embedstack model remove {name} --url {server.url}`, then `embedstack model create {of} "
            f"--url {server.url}`. If that does not "
            f"help, the file (`embedstack model verify {of}`) or this Ollama is at fault.",
        )
    return checks


def check(
    server: Ollama, name: str, model: Model, precision: str, keep_alive: float | str | None = None
) -> Iterator[Compared]:
    """One after another; a chat model is not asked for vectors. EngineRefused where Ollama gives no answer."""
    shown = server.show(name)
    capabilities = shown.capabilities if shown else ()
    yield Compared("capabilities", ", ".join(capabilities) or "none", CAPABILITY, CAPABILITY in capabilities)
    if CAPABILITY in capabilities and model.reference is not None:
        for entry, verdict in _verdicts(server, name, model, model.reference, precision, keep_alive):
            yield Compared(entry, verdict.value, verdict.must, bool(verdict.passed))


def _verdicts(
    server: Ollama, name: str, model: Model, reference: Reference, precision: str, keep_alive: float | str | None
) -> Iterator[tuple[str, SmokeVerdict]]:
    single = [server.embed(name, [text], keep_alive) for text in reference.texts]
    together = server.embed(name, reference.texts, keep_alive)
    vectors = np.concatenate([answer.vectors for answer in single])
    native = verdicts.dimensions(vectors, model.dimensions)
    yield "dimensions", native
    yield "length", verdicts.norm(vectors)
    yield "tokens", verdicts.tokens(reference.tokens, [answer.tokens for answer in single], together.tokens)
    yield "alone and together", verdicts.same(vectors, together.vectors)
    if native.passed:
        for scores in reference.scores_for(precision):
            yield f"scores at {scores.dimensions}", verdicts.scores(vectors, reference, scores)


def gpu_fallback(server: Ollama, name: str) -> str:
    """What to say where there is a GPU and the loaded model is not on it, "" where it is. Ollama tells nobody."""
    for model in server.loaded():
        if same_name(model.name, name) and not model.size_vram:
            return f"{name} runs on the CPU, though there is a GPU: Ollama fell back without a word"
    return ""
