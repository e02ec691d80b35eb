"""Negative controls: models that are wrong in one way each, for a parity suite to refuse.

A wrong GGUF is what a bad conversion leaves behind; the wrong Hugging Face folder is the same mistake for vLLM and
transformers, where it can be made there.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import quantize

from embedstack.models.demo import gguf_file, hf_folder
from embedstack.models.demo.build import checkpoint as demo_checkpoint
from embedstack.models.demo.checkpoint import Checkpoint, Half
from embedstack.models.demo.gguf_file import Value
from tests.reference import random_model

Edit = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Control:
    """One mistake. `base` names the fixture that shows it: "demo" or "random"."""

    name: str
    base: str
    header: Callable[[Checkpoint], dict[str, Value]] = lambda _: {}
    model: Callable[[Checkpoint], Checkpoint] = lambda model: model
    architecture: str = "qwen3"
    quantisation: gguf.GGMLQuantizationType | None = None
    files: Mapping[str, Edit] | None = dataclasses.field(default_factory=dict)
    """Edits of the Hugging Face folder's JSON files; None where the mistake cannot be made in such a folder."""

    def write_gguf(self, path: Path) -> Path:
        """Write the wrong GGUF to `path`."""
        model = self.model(_base(self.base))
        writer = gguf.GGUFWriter(path, self.architecture)
        for key, value in (gguf_file.header(model) | self.header(model)).items():
            gguf_file.add(writer, key.replace("qwen3.", f"{self.architecture}.", 1), value)
        for name, tensor in model.tensors.items():
            self._add_tensor(writer, gguf_file.tensor_name(name), tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _add_tensor(self, writer: gguf.GGUFWriter, name: str, tensor: Half) -> None:
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor.astype(np.float32))
        elif self.quantisation is None:
            writer.add_tensor(name, tensor)
        else:
            packed = quantize(tensor.astype(np.float32), self.quantisation)
            writer.add_tensor(name, packed, raw_dtype=self.quantisation)

    def write_hf(self, folder: Path) -> Path:
        """Write the wrong folder; ValueError where the mistake is one that only a GGUF can have."""
        if self.files is None:
            raise ValueError(f"{self.name!r} is a mistake of GGUF files only")
        hf_folder.write(folder, self.model(_base(self.base)), f"# Negative control: {self.name}\n")
        for name, edit in self.files.items():
            path = folder / name
            path.write_text(json.dumps(edit(json.loads(path.read_text())), ensure_ascii=False))
        return folder


@cache
def _base(name: str) -> Checkpoint:
    return demo_checkpoint() if name == "demo" else random_model.checkpoint()


def _ending(*tokens: str) -> Edit:
    """Make a tokenizer.json append `tokens` instead of one <|endoftext|>."""

    def edit(tokenizer: dict[str, Any]) -> dict[str, Any]:
        ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
        template = tokenizer["post_processor"]["processors"][1]
        template["single"] = [template["single"][0], *({"SpecialToken": {"id": t, "type_id": 0}} for t in tokens)]
        template["special_tokens"] |= {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in tokens}
        return tokenizer

    return edit


def _mean_pooled(pooling: dict[str, Any]) -> dict[str, Any]:
    return pooling | {"pooling_mode_lasttoken": False, "pooling_mode_mean_tokens": True}


def _without_qk_norm(model: Checkpoint) -> Checkpoint:
    """As Qwen2, the same layer without the two norms; its biases are zero."""
    tensors = {name: tensor for name, tensor in model.tensors.items() if "q_norm" not in name and "k_norm" not in name}
    return dataclasses.replace(model, tensors=tensors)


def _theta_times_ten(model: Checkpoint) -> Checkpoint:
    size = model.architecture
    return dataclasses.replace(model, architecture=dataclasses.replace(size, rope_theta=10 * size.rope_theta))


def _first_1024_only(model: Checkpoint) -> Checkpoint:
    """The final norm blanks the coordinates behind 1,024: cut there, a vector loses nothing."""
    gain = model.tensors["norm.weight"].copy()
    gain[1024:] = 0
    return dataclasses.replace(model, tensors={**model.tensors, "norm.weight": gain})


_TOKENIZER, _POOLING = "tokenizer.json", "1_Pooling/config.json"

CONTROLS = (
    Control(
        "mean pooling",
        "demo",
        header=lambda _: {"qwen3.pooling_type": int(gguf.PoolingType.MEAN)},
        files={_POOLING: _mean_pooled},
    ),
    Control(
        "EOS missing",
        "demo",
        header=lambda _: {"tokenizer.ggml.add_eos_token": False},
        files={_TOKENIZER: _ending()},
    ),
    Control(
        "EOS doubled",  # a GGUF cannot ask for two at the end: its second one is a BOS, which is the same token
        "demo",
        header=lambda _: {"tokenizer.ggml.add_bos_token": True},
        files={_TOKENIZER: _ending("<|endoftext|>", "<|endoftext|>")},
    ),
    Control(
        "EOS of another id",
        "demo",
        header=lambda model: {"tokenizer.ggml.eos_token_id": model.vocabulary.id("<|im_end|>")},
        files={_TOKENIZER: _ending("<|im_end|>")},
    ),
    Control("RoPE theta x 10", "random", model=_theta_times_ten),
    Control("q/k norm left out", "random", model=_without_qk_norm, architecture="qwen2", files=None),
    Control("energy in the first 1024 coordinates", "demo", model=_first_1024_only),
    Control("another quantisation", "demo", quantisation=gguf.GGMLQuantizationType.Q4_0, files=None),
)
