"""The engine process: `python -P -m embedstack.bridge.llama '{"gguf": …}' FD`.

FD is one end of a socket pair that the bridge has made: no other program can reach this one. It prints one line of
JSON, `frames.Serving` when the model is loaded or `frames.Unusable`, and ends when the bridge closes the other end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import psutil

from embedstack.bridge.llama.frames import HEAD, MOST, TO_ENGINE, Ask, Cancel, Computed, Serving, Unusable, encode
from embedstack.bridge.llama.library import POOL_LAST, Aborted, LlamaContext, LlamaModel, Part, Unfit
from embedstack.bridge.llama.work import Sizes, Work

SPARE = 512
"""Cells of the KV cache beyond the context: a question has room beside the longest document."""
SEQUENCES = 32
QUESTIONS = 128
"""Tokens of a decode of questions: some ten that came together."""
SLICE, GPU_SLICE = 32, 512
"""Tokens of a decode of documents: the most that is computed again after a question (docs/performance.md)."""
_NEARLY = 0.75
"""The share of a slice after which a question waits for its end: less is lost than the question gains."""
_ALIKE = 0.9999
_SAMPLE = "The company's holiday policy: 年假有几天?"


class Options(msgspec.Struct, frozen=True):
    """`context` in tokens; `threads` None: one for each physical core; `gpu_layers` None: all, where there is a GPU."""

    gguf: str
    context: int
    threads: int | None = None
    gpu_layers: int | None = None


class SliceClock:
    """How far the slice of documents is that is being computed, by how long the last ones took."""

    def __init__(self) -> None:
        self._began = 0.0
        self._usual = 0.0  # seconds; of the slower ones, since a last slice may be short

    def begins(self) -> None:
        self._began = time.monotonic()

    def ends(self) -> None:
        took = time.monotonic() - self._began
        self._usual = max(took, 0.9 * self._usual + 0.1 * took)

    def done(self) -> float:
        """Of what it usually takes: 0 at its beginning, about 1 at its end."""
        return (time.monotonic() - self._began) / self._usual if self._usual else 0.0


class LlamaEngine:
    """A model, its context, and what is to be computed with them."""

    def __init__(self, options: Options, connection: socket.socket) -> None:
        self._model = model = LlamaModel(Path(options.gguf), gpu_layers=options.gpu_layers)
        _check_kind(model)
        size = GPU_SLICE if model.gpu else SLICE
        sizes = Sizes(options.context, SEQUENCES, size, max(size, QUESTIONS))
        self._context = LlamaContext(
            model,
            cells=options.context + SPARE,
            sequences=SEQUENCES,
            batch=sizes.questions,
            threads=options.threads or psutil.cpu_count(logical=False) or 1,
        )
        _check_states(model, self._context)
        self._connection = connection
        self._inbox: queue.SimpleQueue[Ask | Cancel] = queue.SimpleQueue()
        self._documents_run = False
        self._clock = SliceClock()
        self._work = Work(
            self._context,
            model.tokens,
            prompt_tokens=model.prompt_tokens,
            dimensions=model.dimensions,
            sizes=sizes,
            send=self._send,
        )
        self.serving = Serving(options.context, model.dimensions, model.gpu, size)

    def run(self) -> None:
        """For ever; the process ends when the bridge closes its end."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            # Before the inbox is looked at: what comes after that sets the flag again.
            self._context.resume()
            self._hear()
            self._documents_run = not self._work.has_questions
            self._clock.begins()
            try:
                self._work.step()
            except Aborted:
                continue
            if self._documents_run:
                self._clock.ends()

    def _hear(self) -> None:
        """Take all that has come; wait for something where there is nothing to do."""
        while True:
            try:
                frame = self._inbox.get(block=self._work.is_idle)
            except queue.Empty:
                return
            if isinstance(frame, Ask):
                self._work.take(frame)
            else:
                self._work.cancel(frame)

    def _listen(self) -> None:
        """In a thread of its own: a question has to be heard while a document is computed."""
        # A bridge that was killed with answers unread resets the connection instead of ending it.
        with contextlib.suppress(OSError, msgspec.DecodeError), self._connection.makefile("rb") as stream:
            while len(head := stream.read(HEAD.size)) == HEAD.size:
                size = HEAD.unpack(head)[0]
                body = stream.read(size) if size <= MOST else b""
                if len(body) != size:
                    break
                self._heard(TO_ENGINE.decode(body))
        os._exit(0)  # nobody waits for what is being computed

    def _heard(self, frame: Ask | Cancel) -> None:
        self._inbox.put(frame)
        if isinstance(frame, Cancel):
            if self._work.only(frame.call, frame.indexes):
                self._context.abort()
        elif frame.urgent and self._documents_run and self._clock.done() < _NEARLY:
            self._context.abort()

    def _send(self, answer: Computed) -> None:
        try:
            self._connection.sendall(encode(answer))
        except OSError:
            os._exit(0)  # the bridge has gone


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
