"""llama.cpp's C API, as much of it as embeddings need: the library that comes with xllamacpp, opened by cffi.

A context decodes tokens of several sequences at once and hands back the last layer's state at their last tokens, which
is what a model with last-token pooling calls its vector. It never computes what only generation needs: the output head,
150,000 rows wide, which llama.cpp's own way to embeddings multiplies with every token (src/models/qwen3.cpp).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from embedstack.bridge.llama.declarations import BUILDS, C
from embedstack.vectors.mrl import Vectors

Tokens = npt.NDArray[np.int32]

POOL_LAST = 3  # LLAMA_POOLING_TYPE_LAST
_ABORTED = 2  # what llama_decode returns after its abort callback said so
_NO_ROOM = 1  # ... and where the KV cache has no room for the batch
_STATE = b"result_norm"  # the name of the last layer's normalised state in every graph of llama.cpp
_AUTO, _OFF = -1, 0  # LLAMA_FLASH_ATTN_TYPE
_ALL_LAYERS = 999
_WARNING = 3  # GGML_LOG_LEVEL_WARN; 4 is an error, 5 goes on with a line of either
# Fields of the default parameters and what the library writes into them: the last of each struct among them, so that a
# field that was added or removed shows.
_MODEL_DEFAULTS = {"split_mode": 1, "main_gpu": 0, "vocab_only": 0, "use_extra_bufts": 1, "load_mtp": 0}
_CONTEXT_DEFAULTS = {
    **{"n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_outputs_max_per_seq": 1},
    **{"rope_scaling_type": -1, "pooling_type": -1, "flash_attn_type": -1, "yarn_ext_factor": -1.0},
    **{"defrag_thold": -1.0, "type_k": 1, "type_v": 1, "embeddings": 0, "offload_kqv": 1, "no_perf": 1},
    **{"op_offload": 1, "swa_full": 1, "kv_unified": 0, "n_samplers": 0},
}


class Unfit(Exception):
    """This library, or this model in it, cannot be used by its C API; the reason is the message."""


class Aborted(Exception):
    """`LlamaContext.abort` ended a decode early. What the decode had written was removed again."""


class NoRoom(Exception):
    """The KV cache has no room for the batch."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens (n,) of one sequence, the first at `position`; `ends`: the state at the last of them is wanted."""

    sequence: int
    tokens: Tokens
    position: int
    ends: bool


def open_library() -> tuple[cffi.FFI, Any]:
    """The declarations and the library. Unfit where they do not belong together."""
    try:
        version, spec = metadata.version("xllamacpp"), util.find_spec("xllamacpp")
    except metadata.PackageNotFoundError as error:
        raise Unfit("xllamacpp is not installed") from error
    if version not in BUILDS:
        raise Unfit(f"xllamacpp {version} is not one of the builds that are known: {', '.join(BUILDS)}")
    places = spec.submodule_search_locations if spec else None
    files = [file for place in places or () for file in Path(place).glob("xllamacpp*.so")]
    if len(files) != 1:
        raise Unfit(f"xllamacpp {version} brings {len(files)} libraries where one was expected")
    ffi = cffi.FFI()
    ffi.cdef(C)
    try:
        library: Any = ffi.dlopen(str(files[0]))
        _check_defaults(library.llama_model_default_params(), _MODEL_DEFAULTS)
        _check_defaults(library.llama_context_default_params(), _CONTEXT_DEFAULTS)
    except (OSError, AttributeError) as error:
        raise Unfit(f"xllamacpp {version} does not have the C API of its version: {error}") from error
    return ffi, library


def _check_defaults(found: Any, expected: Mapping[str, float]) -> None:
    wrong = [name for name, value in expected.items() if getattr(found, name) != value]
    if wrong:
        raise Unfit(f"its parameters {', '.join(wrong)} are not where they are declared")


class LlamaModel:
    """A GGUF in memory. `gpu_layers`: how many of its layers a GPU computes; None: all where the library has one."""

    def __init__(self, gguf: Path, *, gpu_layers: int | None) -> None:
        self.ffi, self.library = open_library()
        self._log = self.ffi.callback("ggml_log_callback", _print_warnings(self.ffi, self.library))
        self.library.llama_log_set(self._log, self.ffi.NULL)
        self.library.llama_backend_init()
        wanted = self.library.llama_model_default_params()
        has_gpu = bool(self.library.llama_supports_gpu_offload())
        wanted.n_gpu_layers = (_ALL_LAYERS if has_gpu else 0) if gpu_layers is None else gpu_layers
        self.handle = self.library.llama_model_load_from_file(str(gguf).encode(), wanted)
        if self.handle == self.ffi.NULL:
            raise Unfit(f"llama.cpp does not load {gguf}")
        self.gpu = has_gpu and wanted.n_gpu_layers > 0
        self.dimensions = int(self.library.llama_model_n_embd(self.handle))
        self._vocab = self.library.llama_model_get_vocab(self.handle)
        self._end = int(self.library.llama_vocab_eos(self._vocab))

    def header(self, key: str) -> str | None:
        """A value of the GGUF's header as text."""
        text = self.ffi.new("char[]", 256)
        size = self.library.llama_model_meta_val_str(self.handle, key.encode(), text, len(text))
        return None if size < 0 else bytes(self.ffi.buffer(text, size)).decode("utf-8", "replace")

    def tokens(self, text: str) -> Tokens:
        """Ids (n,), special tokens added as the header says, and those in the text understood: as llama-server does."""
        raw = text.encode()
        most = len(raw) + 8
        ids = np.empty(most, np.int32)
        place = self.ffi.cast("llama_token *", ids.ctypes.data)
        count = self.library.llama_tokenize(self._vocab, raw, len(raw), place, most, True, True)
        if count < 0:
            raise ValueError("a text has more tokens than bytes")
        return ids[:count].copy()

    def prompt_tokens(self, text: str) -> Tokens:
        """Ids (n,) of what a text may begin with: no end token closes them."""
        ids = self.tokens(text)
        return ids[:-1] if ids.size and ids[-1] == self._end else ids


class LlamaContext:
    """A KV cache of `cells` tokens, shared by up to `sequences` sequences, and decodes of up to `batch` tokens.

    One thread decodes; another may call `pause`, `unpause`, `abort` and `clear_abort`.
    """

    def __init__(self, model: LlamaModel, *, cells: int, sequences: int, batch: int, threads: int) -> None:
        self._ffi, self._library, self._model = model.ffi, model.library, model
        self._unpaused, self._aborted = threading.Event(), False
        self._unpaused.set()
        # llama.cpp asks after each node of the graph, some 900 times a decode. Its other threads sleep meanwhile.
        self._asked = self._ffi.callback("ggml_abort_callback", self._wait)
        self._seen: list[Vectors] = []
        self._stops = True  # the graph ends where the state is known
        self._observe = self._ffi.callback("ggml_backend_sched_eval_callback", self._state_of)
        wanted = self._library.llama_context_default_params()
        wanted.n_ctx, wanted.n_batch, wanted.n_ubatch, wanted.n_seq_max = cells, batch, batch, sequences
        wanted.n_outputs_max = self._outputs = sequences
        wanted.n_threads = wanted.n_threads_batch = threads
        wanted.kv_unified, wanted.pooling_type = True, POOL_LAST
        # On a processor flash attention sums values in f16 wherever fewer than 64 tokens are decoded: a text of 600 in
        # slices of 32 then has cosine 0.99996 to itself in one piece, and 1.0000000 without it.
        wanted.flash_attn_type = _AUTO if model.gpu else _OFF
        wanted.abort_callback = self._asked
        wanted.cb_eval = self._observe
        self._context = self._library.llama_init_from_model(model.handle, wanted)
        if self._context == self._ffi.NULL:
            raise Unfit("llama.cpp makes no context; it may lack the memory")
        self.cells = int(self._library.llama_n_ctx(self._context))
        self._memory = self._library.llama_get_memory(self._context)
        self._batch = _Batch(self._ffi, batch)

    def pause(self) -> None:
        """Let the decode that runs stop where it is, after the node that is being computed, until `unpause`."""
        self._unpaused.clear()

    def unpause(self) -> None:
        """Let it go on; nothing of it is lost."""
        self._unpaused.set()

    def abort(self) -> None:
        """End the decode that runs, or the next one, with Aborted."""
        self._aborted = True

    def clear_abort(self) -> None:
        """From now on decodes run to their ends."""
        self._aborted = False

    def _wait(self, _data: Any) -> bool:
        self._unpaused.wait()
        return self._aborted

    def decode(self, parts: Sequence[Part]) -> list[Vectors]:
        """The state (d,) float32, not normalised to length 1, at the end of each part that `ends`, in their order.
        Aborted, NoRoom; RuntimeError where llama.cpp fails.
        """
        self._unpaused.wait()  # a GPU asks nothing on the way
        self._seen.clear()
        code = self._library.llama_decode(self._context, self._batch.of(parts))
        if code == 0:
            return self._rows(sum(part.ends for part in parts))
        for part in parts:
            self.forget(part.sequence, part.position)
        if code == _ABORTED:
            raise Aborted
        if code == _NO_ROOM:
            raise NoRoom
        raise RuntimeError(f"llama_decode returned {code}")

    def pooled(self, tokens: Tokens) -> Vectors:
        """The same of one text (n,) by the library's own way to embeddings: (d,) float32, for comparison. ValueError
        for more tokens than the context has sequences: it keeps no more rows, and llama.cpp would end the process.
        """
        if len(tokens) > self._outputs:
            raise ValueError(f"{len(tokens)} tokens, where {self._outputs} rows are kept")
        self._library.llama_set_embeddings(self._context, True)
        self._stops = False
        try:
            code = self._library.llama_decode(self._context, self._batch.of([Part(0, tokens, 0, True)]))
            found = self._library.llama_get_embeddings_seq(self._context, 0) if code == 0 else self._ffi.NULL
            if found == self._ffi.NULL:
                raise RuntimeError(f"llama_decode returned {code}")
            return np.frombuffer(bytes(self._ffi.buffer(found, 4 * self._model.dimensions)), np.float32)
        finally:
            self._library.llama_set_embeddings(self._context, False)
            self._stops = True
            self.forget(0)

    def fork(self, source: int, target: int) -> None:
        """`target` begins with all that `source` has; the cells are shared, and nothing is copied."""
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, sequence: int, first: int = 0) -> None:
        """Remove what a sequence has from position `first` on."""
        self._library.llama_memory_seq_rm(self._memory, sequence, first, -1)

    def clear(self) -> None:
        """Remove everything, and what the cells held."""
        self._library.llama_memory_clear(self._memory, True)

    def save(self, sequence: int) -> npt.NDArray[np.uint8]:
        """A sequence's keys and values (n,) bytes, for `restore`."""
        size = self._library.llama_state_seq_get_size(self._context, sequence)
        state = np.empty(size, np.uint8)
        place = self._ffi.cast("uint8_t *", state.ctypes.data)
        return state[: self._library.llama_state_seq_get_data(self._context, place, size, sequence)]

    def restore(self, state: npt.NDArray[np.uint8], sequence: int) -> None:
        """Put what `save` returned into a sequence that has nothing. NoRoom."""
        place = self._ffi.cast("uint8_t *", state.ctypes.data)
        if not self._library.llama_state_seq_set_data(self._context, place, state.size, sequence):
            self.forget(sequence)
            raise NoRoom

    def _state_of(self, tensor: Any, ask: bool, _data: Any) -> bool:
        """Asked of every node whether it is wanted, and called again with the one that is: False ends the graph."""
        if ask:
            return self._stops and bool(self._ffi.string(self._library.ggml_get_name(tensor)) == _STATE)
        rows = np.empty(int(self._library.ggml_nbytes(tensor)) // 4, np.float32)
        self._library.ggml_backend_tensor_get(tensor, self._ffi.cast("void *", rows.ctypes.data), 0, rows.nbytes)
        self._seen.append(rows.reshape(-1, self._model.dimensions))
        return False

    def _rows(self, count: int) -> list[Vectors]:
        if not count:
            return []
        if len(self._seen) != 1 or len(self._seen[0]) != count:
            raise RuntimeError(
                f"llama.cpp's graph gave {[len(rows) for rows in self._seen]} states where {count} belong"
            )
        return list(self._seen[0])


class _Batch:
    """llama.cpp's batch of up to `most` tokens, in memory of our own that is filled for each decode."""

    def __init__(self, ffi: cffi.FFI, most: int) -> None:
        self._token, self._position, self._sequence = (np.zeros(most, np.int32) for _ in range(3))
        self._wanted = np.zeros(most, np.int8)
        self._counts = np.ones(most, np.int32)  # each token belongs to one sequence
        self._sequences: Any = ffi.new("llama_seq_id *[]", most)
        first = ffi.cast("llama_seq_id *", self._sequence.ctypes.data)
        for index in range(most):
            self._sequences[index] = first + index
        batch: Any = ffi.new("struct llama_batch *")
        for name, values in (("token", self._token), ("pos", self._position), ("n_seq_id", self._counts)):
            setattr(batch, name, ffi.cast("int32_t *", values.ctypes.data))
        batch.logits = ffi.cast("int8_t *", self._wanted.ctypes.data)
        batch.seq_id = self._sequences
        self._batch = batch

    def of(self, parts: Sequence[Part]) -> Any:
        end = 0
        for part in parts:
            begin, end = end, end + len(part.tokens)
            self._token[begin:end] = part.tokens
            self._position[begin:end] = np.arange(part.position, part.position + len(part.tokens))
            self._sequence[begin:end] = part.sequence
            self._wanted[begin:end] = 0
            self._wanted[end - 1] = part.ends
        self._batch.n_tokens = end
        return self._batch[0]


def _print_warnings(ffi: cffi.FFI, library: Any) -> Any:
    """What llama.cpp says that is more than information, on standard error."""

    def heard(level: int, text: Any, _data: Any) -> None:
        if level >= _WARNING:
            sys.stderr.write(bytes(ffi.buffer(text, library.strlen(text))).decode("utf-8", "replace"))

    return heard
