"""The gate of a Hugging Face folder, as vLLM serves it: its small files and its shards' headers.

The safetensors of a folder: the index against the files, and each file's length against its own header.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from embedstack.deploy.gates import verdict
from embedstack.deploy.gates.hf_files import (
    Added,
    Config,
    Module,
    Pooling,
    Tokenizer,
    UnreadableError,
    added,
    decode,
    read,
)
from embedstack.deploy.gates.verdict import ABSENT, GateVerdict, Severity, judge
from embedstack.models.catalog import Model
from embedstack.models.model import Scalar

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
MOST_HEADER = 100_000_000  # bytes; the safetensors library refuses longer ones


class ShardIndex(msgspec.Struct, frozen=True):
    """Which file holds which tensor."""

    weight_map: dict[str, str]


class TensorEntry(msgspec.Struct, frozen=True):
    """One tensor of a shard's header; `__metadata__` has no offsets."""

    data_offsets: tuple[int, int] | None = None


def examine_shards(folder: Path) -> Iterator[GateVerdict]:
    """A verdict on the index and on every file that it names. OSError where a file cannot be read."""
    try:
        wanted = _tensors_by_file(folder)
    except UnreadableError as error:
        yield GateVerdict(error.name, error.why, "the list of the folder's files", "fail", verdict.SHARDS)
        return
    for name in sorted(wanted):
        if "/" in name or "\\" in name:
            yield GateVerdict(f"{INDEX} weight_map", name, "names of files in the folder", "fail", verdict.SHARDS)
        else:
            yield _shard(folder / name, wanted[name])


def _tensors_by_file(folder: Path) -> dict[str, set[str]]:
    """The tensors that each file must hold; of a model in one file, none is known beforehand."""
    if not (folder / INDEX).is_file():
        return {SINGLE: set()}
    found: dict[str, set[str]] = {}
    for tensor, name in read(folder, INDEX, ShardIndex).weight_map.items():
        found.setdefault(name, set()).add(tensor)
    if not found:
        raise UnreadableError(INDEX, "names no file")
    return found


def _shard(path: Path, wanted: set[str]) -> GateVerdict:
    if not path.is_file():
        return GateVerdict(path.name, ABSENT, "there", "fail", verdict.SHARDS)
    try:
        data, entries = _header(path)
    except UnreadableError as error:
        return GateVerdict(path.name, error.why, "a whole safetensors file", "fail", verdict.SHARDS)
    if missing := sorted(wanted - entries.keys()):
        message = f"{len(missing)} tensors missing, {missing[0]} the first"
        return GateVerdict(path.name, message, f"all that {INDEX} names", "fail", verdict.SHARDS)
    size = path.stat().st_size
    must = data + max((entry.data_offsets[1] for entry in entries.values() if entry.data_offsets), default=0)
    severity: Severity = "pass" if size == must else "fail"
    return GateVerdict(path.name, f"{size:,} bytes", f"{must:,} bytes", severity, verdict.SHARDS)


def _header(path: Path) -> tuple[int, dict[str, TensorEntry]]:
    """Where the data begin, and what the header lists."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MOST_HEADER, path.stat().st_size - 8):
            raise UnreadableError(path.name, "is cut, or is not a safetensors file")
        return 8 + length, decode(file.read(length), path.name, dict[str, TensorEntry])


# Keys of config.json, and what a GGUF calls them behind its architecture; the catalogue has the GGUF's names.
CONFIG = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "rope_theta": "rope.freq_base",
}


def examine(folder: Path, model: Model) -> tuple[GateVerdict, ...]:
    """A verdict on each fact of the folder. OSError where a file that is there cannot be read."""
    return (
        *_guarded("config.json", _config(folder, model)),
        *_guarded("tokenizer.json", _tokenizer(folder, model)),
        *_guarded("modules.json", _modules(folder, model)),
        *examine_shards(folder),
    )


def _guarded(name: str, verdicts: Iterator[GateVerdict]) -> Iterator[GateVerdict]:
    """What `verdicts` has to say, up to a file that is missing or no JSON of its kind."""
    try:
        yield from verdicts
    except UnreadableError as error:
        yield GateVerdict(error.name, error.why, "there and readable", "fail", _origin(name))


def _origin(name: str) -> str:
    return {"modules.json": verdict.POOLING, "tokenizer.json": verdict.NO_EOS}.get(name, verdict.DAMAGED)


def _config(folder: Path, model: Model) -> Iterator[GateVerdict]:
    config = read(folder, "config.json", Config)
    wanted = _wanted(model)
    if (kind := wanted.pop("model_type", None)) is not None:
        yield judge("config.json model_type", config.model_type, kind, verdict.CONFIG)
        yield _class(config, str(kind))
    if model.unsound and (dtype := config.dtype or config.torch_dtype):
        why = model.unsound_as(dtype)
        yield GateVerdict(
            "config.json dtype", dtype, model.sound, "fail" if why else "pass", verdict.too_narrow(why or "")
        )
    for key, must in wanted.items():
        value = config.theta if key == "rope_theta" else getattr(config, key)
        yield judge(f"config.json {key}", value, must, verdict.CONFIG)


def _class(config: Config, kind: str) -> GateVerdict:
    """By its class vLLM chooses what to compute: a classifier's last layer makes other vectors."""
    good = (f"{kind.capitalize()}ForCausalLM", f"{kind.capitalize()}Model")
    named = ", ".join(config.architectures)
    severity: Severity = "pass" if named.casefold() in {name.casefold() for name in good} else "fail"
    return GateVerdict("config.json architectures", named or "nothing", " or ".join(good), severity, verdict.CONFIG)


def _wanted(model: Model) -> dict[str, Scalar]:
    """What config.json must say, as far as the catalogue knows it."""
    known = model.header.required
    architecture = known.get("general.architecture")
    by_name = {key: known.get(f"{architecture}.{name}") for key, name in CONFIG.items()}
    whole = {"model_type": architecture, **by_name, "hidden_size": model.dimensions}
    return {key: must for key, must in whole.items() if must is not None}


def _tokenizer(folder: Path, model: Model) -> Iterator[GateVerdict]:
    """Whatever the post-processor adds is one EOS at the end of every text, and nothing at its beginning."""
    tokenizer = read(folder, "tokenizer.json", Tokenizer)
    found = added(tokenizer.post_processor) if tokenizer.post_processor else Added((), ())
    field = "tokenizer.json post_processor"
    eos = model.header.eos
    if eos is not None:
        last = ", ".join(token.text for token in found.after) or "nothing"
        yield judge(f"{field}, at the end", last, eos, verdict.NO_EOS)
    must = model.header.required.get("tokenizer.ggml.eos_token_id")
    if must is not None:
        ids = ", ".join(str(token.id) for token in found.after) or "nothing"
        yield judge(f"{field}, id at the end", ids, str(must), verdict.NO_EOS)
    first = ", ".join(token.text for token in found.before) or "nothing"
    yield judge(f"{field}, at the beginning", first, "nothing", verdict.NO_EOS)


def _modules(folder: Path, model: Model) -> Iterator[GateVerdict]:
    modules = read(folder, "modules.json", list[Module])
    pooling = [module.path for module in modules if module.kind == "Pooling"]
    yield judge("modules.json, Pooling modules", len(pooling), 1, verdict.POOLING)
    for path in pooling[:1]:
        config = read(folder, f"{path}/config.json", Pooling)
        modes = ", ".join(config.modes) or "nothing"
        yield judge(f"{path}/config.json pooling mode", modes, "lasttoken", verdict.POOLING)
        size = config.word_embedding_dimension
        if size is not None:
            yield judge(f"{path}/config.json word_embedding_dimension", size, model.dimensions, verdict.POOLING)
    normalised = any(module.kind == "Normalize" for module in modules)
    severity: Severity = "pass" if normalised else "warn"
    yield GateVerdict(
        "modules.json, Normalize", "there" if normalised else "absent", "there", severity, verdict.MODULES
    )
