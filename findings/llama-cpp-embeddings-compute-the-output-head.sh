#!/bin/sh
# llama.cpp, asked for embeddings of a model that generates: its graph multiplies the state of every token, and not of the
# last alone, with the whole output head, and throws the product away. With a vocabulary of 150,000 that is a quarter of
# the work of a model of 0.6B. Nothing switches it off, and the flags that say which tokens are wanted are overridden.
# Seen with xllamacpp 2026.10.11549: 40 tokens, one wanted, result_output has 40 rows of the vocabulary's 5,000 numbers.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 llama-cpp-py-sync==0.11548 \
  gguf==0.19.0 numpy==2.4.6 cffi==2.1.1
"$folder/venv/bin/python" - "$folder/model.gguf" <<'PYTHON' 2> /dev/null
import pathlib
import sys
from importlib.metadata import version

import cffi
import gguf
import llama_cpp_py_sync._cffi_bindings as declared  # declarations alone: its own library is not opened
import numpy as np
import xllamacpp

path, hidden, words, tokens = sys.argv[1], 256, 5000, 40
writer = gguf.GGUFWriter(path, "qwen3")
for add, value in (
    (writer.add_context_length, 512), (writer.add_embedding_length, hidden), (writer.add_block_count, 1),
    (writer.add_feed_forward_length, hidden), (writer.add_head_count, 2), (writer.add_head_count_kv, 2),
    (writer.add_key_length, 128), (writer.add_value_length, 128), (writer.add_rope_freq_base, 1e6),
    (writer.add_layer_norm_rms_eps, 1e-6), (writer.add_vocab_size, words), (writer.add_tokenizer_model, "no_vocab"),
):
    add(value)
norms = {"output_norm": hidden, "blk.0.attn_norm": hidden, "blk.0.attn_q_norm": 128, "blk.0.attn_k_norm": 128}
norms["blk.0.ffn_norm"] = hidden
parts = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
for name, size in norms.items():
    writer.add_tensor(f"{name}.weight", np.ones(size, np.float32))
for name in parts:
    writer.add_tensor(f"blk.0.{name}.weight", np.full((hidden, hidden), 0.01, np.float32))
writer.add_tensor("token_embd.weight", np.full((words, hidden), 0.01, np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

ffi, seen = declared.ffi, {}
file = str(next(pathlib.Path(xllamacpp.__file__).parent.glob("*.so")))
lib = ffi.dlopen(file)
more = cffi.FFI()
more.cdef("const char * ggml_get_name(const void * tensor); size_t ggml_nbytes(const void * tensor);")
ggml = more.dlopen(file)


@ffi.callback("bool(struct ggml_tensor *, bool, void *)")
def watch(tensor, ask, _data):
    node = more.cast("void *", int(ffi.cast("uintptr_t", tensor)))
    name = more.string(ggml.ggml_get_name(node)).decode()
    if not ask and name.startswith("result_"):
        seen[name] = ggml.ggml_nbytes(node)
    return name.startswith("result_") if ask else True


lib.llama_backend_init()
model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
wanted = lib.llama_context_default_params()
wanted.n_ctx, wanted.embeddings, wanted.pooling_type, wanted.n_threads, wanted.cb_eval = 512, True, 3, 1, watch
context = lib.llama_init_from_model(model, wanted)
batch = lib.llama_batch_init(tokens, 0, 1)
batch.n_tokens = tokens
for index in range(tokens):
    batch.token[index], batch.pos[index], batch.n_seq_id[index] = index, index, 1
    batch.seq_id[index][0], batch.logits[index] = 0, index == tokens - 1
assert lib.llama_decode(context, batch) == 0
rows = seen.get("result_output", 0) // (4 * words)
print(f"xllamacpp {version('xllamacpp')}: {tokens} tokens, one of them wanted; computed nodes and bytes: {seen}")
print(f"the output head was computed for {rows} tokens, {words} numbers each")
sys.exit(rows != tokens)
PYTHON
