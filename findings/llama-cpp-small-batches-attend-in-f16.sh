#!/bin/sh
# llama.cpp on a processor: with flash attention ("auto" turns it on) a batch of fewer than 64 tokens sums the values in
# f16, a larger one in f32. The same text has another vector when it is decoded in small pieces, and the longer it is the
# further off. Without flash attention the pieces change nothing. No hint is printed, and no option names the accuracy.
# Seen with xllamacpp 2026.10.11549, 4,032 tokens, 1 - cosine to the text in one piece: 4.2e-03 in pieces of 32 or of 63,
# 0 in pieces of 64; without flash attention 6e-08 in all of them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 llama-cpp-py-sync==0.11548 \
  gguf==0.19.0 numpy==2.4.6 cffi==2.1.1
"$folder/venv/bin/python" - "$folder/model.gguf" <<'PYTHON' 2> "$folder/log"
import pathlib
import sys
from importlib.metadata import version

import gguf
import llama_cpp_py_sync._cffi_bindings as declared  # declarations alone: its own library is not opened
import numpy as np
import xllamacpp

path, hidden, words, tokens = sys.argv[1], 256, 512, 4032
random = np.random.default_rng(0)
writer = gguf.GGUFWriter(path, "qwen3")
writer.add_context_length(4096)
writer.add_embedding_length(hidden)
writer.add_block_count(1)
writer.add_feed_forward_length(hidden)
writer.add_head_count(2)
writer.add_head_count_kv(2)
writer.add_key_length(128)
writer.add_value_length(128)
writer.add_rope_freq_base(1e6)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_vocab_size(words)
writer.add_tokenizer_model("no_vocab")
for name, shape in {
    "token_embd.weight": (words, hidden),
    "output_norm.weight": (hidden,),
    "blk.0.attn_norm.weight": (hidden,),
    "blk.0.attn_q_norm.weight": (128,),
    "blk.0.attn_k_norm.weight": (128,),
    "blk.0.ffn_norm.weight": (hidden,),
    **{f"blk.0.attn_{part}.weight": (hidden, hidden) for part in ("q", "k", "v", "output")},
    **{f"blk.0.ffn_{part}.weight": (hidden, hidden) for part in ("gate", "up", "down")},
}.items():
    weights = np.ones(shape) if len(shape) == 1 else random.standard_normal(shape) / 16
    if name == "token_embd.weight":
        weights = weights + 1  # values that do not cancel: a sum that grows
    writer.add_tensor(name, weights.astype(np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

ffi = declared.ffi
lib = ffi.dlopen(str(next(pathlib.Path(xllamacpp.__file__).parent.glob("*.so"))))
lib.llama_backend_init()
model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())


def vector(flash, piece):
    wanted = lib.llama_context_default_params()
    wanted.n_ctx, wanted.n_batch, wanted.n_ubatch, wanted.embeddings, wanted.pooling_type = 4096, 4096, 4096, True, 3
    wanted.flash_attn_type, wanted.n_threads, wanted.n_threads_batch = flash, 1, 1
    context = lib.llama_init_from_model(model, wanted)
    batch = lib.llama_batch_init(4096, 0, 1)
    for begin in range(0, tokens, piece):
        batch.n_tokens = min(piece, tokens - begin)
        for index in range(batch.n_tokens):
            batch.token[index], batch.pos[index] = (begin + index) * 7 % words, begin + index
            batch.n_seq_id[index], batch.seq_id[index][0], batch.logits[index] = 1, 0, 1
        assert lib.llama_decode(context, batch) == 0
    found = np.frombuffer(bytes(ffi.buffer(lib.llama_get_embeddings_seq(context, 0), 4 * hidden)), np.float32)
    lib.llama_free(context)
    return found / np.linalg.norm(found)


whole = vector(0, tokens)
print(f"xllamacpp {version('xllamacpp')}, {tokens} tokens; 1 - cosine to the whole text without flash attention, by piece")
off, PIECES = {}, (32, 63, 64, tokens)
for name, flash in (("auto", -1), ("on", 1), ("off", 0)):
    off[name] = [1 - float(vector(flash, piece) @ whole) for piece in PIECES]
    print(f"flash attention {name:4}: " + ", ".join(f"{piece} {value:.1e}" for piece, value in zip(PIECES, off[name])))
small = min(*off["auto"][:2], *off["on"][:2])
large = max(*off["auto"][2:], *off["on"][2:], *off["off"])
sys.exit(not small > 10 * max(large, 1e-8))
PYTHON
