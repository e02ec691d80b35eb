"""The engine process: `python -P -m embedstack.bridge.llama '{"gguf": …}' FD`.

FD is one end of a socket pair that the bridge has made: no other program can reach this one. It prints one line of
JSON, `frames.Serving` when the model is loaded or `frames.Unusable`, and ends when the bridge closes the other end.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from pathlib import Path

import msgspec
import numpy as np
import psutil

from embedstack.bridge.llama.frames import BridgeSocket, Gone, Serving, Unusable
from embedstack.bridge.llama.lane import Documents, Questions
from embedstack.bridge.llama.library import POOL_LAST, Aborted, LlamaContext, LlamaModel, Part, Unfit
from embedstack.bridge.llama.work import Sizes

QUESTION_CELLS = 512
"""Tokens of all questions that are computed at once; a longer one is computed among the documents."""
SEQUENCES = 32
SLICE, GPU_SLICE = 128, 512
"""Tokens of a decode (docs/performance.md)."""
_ALIKE = 0.9999
_SAMPLE = "The company's holiday policy: 年假有几天?"


class Options(msgspec.Struct, frozen=True):
    """`context` in tokens; `threads` None: one for each physical core; `gpu_layers` None: all, where there is a GPU."""

    gguf: str
    context: int
    threads: int | None = None
    gpu_layers: int | None = None


class LlamaEngine:
    """A model, and a lane for each kind of text."""

    def __init__(self, options: Options, connection: socket.socket) -> None:
        model = LlamaModel(Path(options.gguf), gpu_layers=options.gpu_layers)
        _check_kind(model)
        size = GPU_SLICE if model.gpu else SLICE
        threads = options.threads or psutil.cpu_count(logical=False) or 1
        for_documents = Sizes(options.context, SEQUENCES, size)
        for_questions = Sizes(min(options.context, QUESTION_CELLS), SEQUENCES, size)
        bridge = BridgeSocket(connection)
        self._documents = Documents(model, for_documents, threads=threads, send=bridge.send)
        self._questions = Questions(model, for_questions, threads=threads, bridge=bridge, documents=self._documents)
        _check_states(model, self._questions.context)
        self.serving = Serving(options.context, model.dimensions, model.gpu, size)

    def run(self) -> None:
        """Until the bridge closes its end; the process ends with it."""
        self._documents.start(ended=_end)
        try:
            self._questions.serve()
        except BaseException as error:  # noqa: BLE001 -- it ends the process
            _end(error)


def _end(error: BaseException) -> None:
    """End the process at once: nobody waits for what is being computed, or the bridge starts another engine."""
    if isinstance(error, Gone):
        os._exit(0)
    traceback.print_exception(error)
    os._exit(1)


def main() -> None:
    """Exit status 1 with `Unusable` printed where the model cannot be served so."""
    options = msgspec.json.decode(sys.argv[1], type=Options)
    connection = socket.socket(fileno=int(sys.argv[2]))
    try:
        engine = LlamaEngine(options, connection)
    except Unfit as error:
        _print(Unusable(str(error)))
        sys.exit(1)
    _print(engine.serving)
    engine.run()


def _check_kind(model: LlamaModel) -> None:
    """Unfit unless a text's vector is the state at its last token, and depends on nothing after it."""
    architecture = model.header("general.architecture") or "unknown"
    pooling = model.header(f"{architecture}.pooling_type")
    if pooling != str(POOL_LAST) or model.header(f"{architecture}.attention.causal") == "false":
        raise Unfit(f"a {architecture} model with pooling {pooling} is not computed in slices")


def _check_states(model: LlamaModel, context: LlamaContext) -> None:
    """Unfit unless a text in slices, after a restored prefix, has the vector that the library itself makes of it."""
    tokens = model.tokens(_SAMPLE)[-SEQUENCES:]
    half = len(tokens) // 2
    try:
        expected = context.pooled(tokens)
        context.decode([Part(0, tokens[:half], 0, ends=False)])
        state = context.save(0)
        context.forget(0)
        context.restore(state, 1)
        context.fork(1, 2)
        found = context.decode([Part(2, tokens[half:], half, ends=True)])[0]
    except (Aborted, RuntimeError, ValueError) as error:
        raise Unfit(f"llama.cpp does not compute a first text: {error}") from error
    context.clear()
    alike = float(found @ expected / (np.linalg.norm(found) * np.linalg.norm(expected) or 1))
    if not alike >= _ALIKE:
        raise Unfit(f"a text in slices has cosine {alike:.6f} to the library's own vector of it")


def _print(line: Serving | Unusable) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
