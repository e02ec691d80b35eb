"""The engine process: `python -P -m embedstack.bridge.llama '{"gguf": …}' FD`.

FD is one end of a socket pair that the bridge has made: no other program can reach this one. It prints one line of
JSON, `frames.Serving` when the model is loaded or `frames.Unusable`, and ends when the bridge closes the other end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import traceback
from pathlib import Path

import msgspec
import numpy as np
import psutil

from embedstack.bridge.llama.frames import HEAD, MOST, TO_ENGINE, Ask, Computed, Serving, Unusable, encode
from embedstack.bridge.llama.lane import Lane
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
    """A model, and a lane for each kind of text: documents stop wherever they are while there is a question."""

    def __init__(self, options: Options, connection: socket.socket) -> None:
        model = LlamaModel(Path(options.gguf), gpu_layers=options.gpu_layers)
        _check_kind(model)
        self._connection, self._sending = connection, threading.Lock()
        size = GPU_SLICE if model.gpu else SLICE
        threads = options.threads or psutil.cpu_count(logical=False) or 1
        for_documents = Sizes(options.context, SEQUENCES, size)
        for_questions = Sizes(min(options.context, QUESTION_CELLS), SEQUENCES, size)
        self._documents = Lane(model, for_documents, threads=threads, send=self._send)
        self._questions = Lane(model, for_questions, threads=threads, send=self._send, yields=self._documents)
        _check_states(model, self._questions.context)
        self.serving = Serving(options.context, model.dimensions, model.gpu, size)

    def run(self) -> None:
        """For ever; the process ends when the bridge closes its end."""
        self._documents.start(ended=_end)
        self._questions.start(ended=_end)
        # A bridge that was killed with answers unread resets the connection instead of ending it.
        with contextlib.suppress(OSError, msgspec.DecodeError), self._connection.makefile("rb") as stream:
            while len(head := stream.read(HEAD.size)) == HEAD.size:
                size = HEAD.unpack(head)[0]
                body = stream.read(size) if size <= MOST else b""
                if len(body) != size:
                    break
                frame = TO_ENGINE.decode(body)
                # A question that is too long goes from one lane to the other, and what cancels it must not overtake it.
                to_documents = isinstance(frame, Ask) and not frame.urgent
                (self._documents if to_documents else self._questions).put(frame)
        os._exit(0)  # nobody waits for what is being computed

    def _send(self, answer: Computed) -> None:
        try:
            with self._sending:
                self._connection.sendall(encode(answer))
        except OSError:
            os._exit(0)  # the bridge has gone


def _end(error: BaseException) -> None:
    """A lane has ended, which it never should: the bridge starts another engine."""
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
