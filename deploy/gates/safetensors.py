"""The gate of a Hugging Face folder, as vLLM serves it: its small files and its shards' headers."""

from collections.abc import Iterator
from pathlib import Path

from embedstack.deploy.gates import origins, shards
from embedstack.deploy.gates.hf_files import Config, Module, Pooling, Tokenizer, UnreadableError, read
from embedstack.deploy.gates.post_processor import Added, added
from embedstack.deploy.gates.verdict import Severity, Verdict, judge
from embedstack.models.catalog import Model
from embedstack.models.model import Scalar

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


def examine(folder: Path, model: Model) -> tuple[Verdict, ...]:
    """A verdict on each fact of the folder. OSError where a file that is there cannot be read."""
    return (
        *_guarded("config.json", _config(folder, model)),
        *_guarded("tokenizer.json", _tokenizer(folder, model)),
        *_guarded("modules.json", _modules(folder, model)),
        *shards.examine(folder),
    )


def _guarded(name: str, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    """What `verdicts` has to say, up to a file that is missing or no JSON of its kind."""
    try:
        yield from verdicts
    except UnreadableError as error:
        yield Verdict(error.name, error.why, "there and readable", "fail", _origin(name))


def _origin(name: str) -> str:
    return {"modules.json": origins.POOLING, "tokenizer.json": origins.NO_EOS}.get(name, origins.DAMAGED)


def _config(folder: Path, model: Model) -> Iterator[Verdict]:
    config = read(folder, "config.json", Config)
    wanted = _wanted(model)
    if (kind := wanted.pop("model_type", None)) is not None:
        yield judge("config.json model_type", config.model_type, kind, origins.CONFIG)
        yield _class(config, str(kind))
    if model.unsound and (dtype := config.dtype or config.torch_dtype):
        why = model.unsound_as(dtype)
        yield Verdict("config.json dtype", dtype, model.sound, "fail" if why else "pass", origins.too_narrow(why or ""))
    for key, must in wanted.items():
        value = config.theta if key == "rope_theta" else getattr(config, key)
        yield judge(f"config.json {key}", value, must, origins.CONFIG)


def _class(config: Config, kind: str) -> Verdict:
    """By its class vLLM chooses what to compute: a classifier's last layer makes other vectors."""
    good = (f"{kind.capitalize()}ForCausalLM", f"{kind.capitalize()}Model")
    named = ", ".join(config.architectures)
    severity: Severity = "pass" if named.casefold() in {name.casefold() for name in good} else "fail"
    return Verdict("config.json architectures", named or "nothing", " or ".join(good), severity, origins.CONFIG)


def _wanted(model: Model) -> dict[str, Scalar]:
    """What config.json must say, as far as the catalogue knows it."""
    known = model.header.required
    architecture = known.get("general.architecture")
    by_name = {key: known.get(f"{architecture}.{name}") for key, name in CONFIG.items()}
    whole = {"model_type": architecture, **by_name, "hidden_size": model.dimensions}
    return {key: must for key, must in whole.items() if must is not None}


def _tokenizer(folder: Path, model: Model) -> Iterator[Verdict]:
    """Whatever the post-processor adds is one EOS at the end of every text, and nothing at its beginning."""
    tokenizer = read(folder, "tokenizer.json", Tokenizer)
    found = added(tokenizer.post_processor) if tokenizer.post_processor else Added((), ())
    field = "tokenizer.json post_processor"
    eos = model.header.eos
    if eos is not None:
        last = ", ".join(token.text for token in found.after) or "nothing"
        yield judge(f"{field}, at the end", last, eos, origins.NO_EOS)
    must = model.header.required.get("tokenizer.ggml.eos_token_id")
    if must is not None:
        ids = ", ".join(str(token.id) for token in found.after) or "nothing"
        yield judge(f"{field}, id at the end", ids, str(must), origins.NO_EOS)
    first = ", ".join(token.text for token in found.before) or "nothing"
    yield judge(f"{field}, at the beginning", first, "nothing", origins.NO_EOS)


def _modules(folder: Path, model: Model) -> Iterator[Verdict]:
    modules = read(folder, "modules.json", list[Module])
    pooling = [module.path for module in modules if module.kind == "Pooling"]
    yield judge("modules.json, Pooling modules", len(pooling), 1, origins.POOLING)
    for path in pooling[:1]:
        config = read(folder, f"{path}/config.json", Pooling)
        modes = ", ".join(config.modes) or "nothing"
        yield judge(f"{path}/config.json pooling mode", modes, "lasttoken", origins.POOLING)
        size = config.word_embedding_dimension
        if size is not None:
            yield judge(f"{path}/config.json word_embedding_dimension", size, model.dimensions, origins.POOLING)
    normalised = any(module.kind == "Normalize" for module in modules)
    severity: Severity = "pass" if normalised else "warn"
    yield Verdict("modules.json, Normalize", "there" if normalised else "absent", "there", severity, origins.MODULES)
