"""Each setting of Open WebUI that embedding depends on: as it is, as it should be, and where either came from. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedstack.deploy.plan import stores
from embedstack.deploy.webui.settings.put import SECRET

DATABASE, ENVIRONMENT, UNSEEN = "database", "environment", "unseen"
PERSISTENT = "ENABLE_PERSISTENT_CONFIG"
_CALLED = {("ollama_config", "url"): "RAG_OLLAMA_BASE_URL", ("ollama_config", "key"): "RAG_OLLAMA_API_KEY"}
"""What the environment calls the fields that the API has one level down."""

_DECIDED = {
    "RAG_EMBEDDING_MODEL": ("model.id", "model.dimensions"),
    "RAG_EMBEDDING_BATCH_SIZE": ("webui.batch",),
    "RAG_EMBEDDING_CONCURRENT_REQUESTS": ("webui.concurrency",),
    "RAG_OLLAMA_BASE_URL": ("ports.bridge",),
    "RAG_OLLAMA_API_KEY": ("stack.expose",),
}
"""What decides them; the others are the same in every stack."""


@dataclass(frozen=True)
class WebuiSetting:
    """One of them, by the name of its variable; keys are masked.

    Attributes:
        value: "" where it is not set.
        came: where it came from, DATABASE, ENVIRONMENT or UNSEEN.
        wanted: where `must` came from: a setting of the stack with its source.
        differs: whether it has to be changed; False for what is UNSEEN.
        note: what the environment says besides, and is not listened to.
    """

    name: str
    value: str
    came: str
    must: str
    wanted: str
    differs: bool
    note: str = ""


def settings(
    is_set: Mapping[str, Any], must: Mapping[str, Any], sources: Mapping[str, str], environ: Mapping[str, str] | None
) -> tuple[WebuiSetting, ...]:
    """All of them. `environ`: of the running process, None where it cannot be seen; `sources`: by variable."""
    return (*_embedding(is_set, must, sources, environ), *_roles(environ))


def sources(stack: Mapping[str, str]) -> dict[str, str]:
    """Where each comes from that a setting of the stack decides, by variable; `stack`: where those come from."""
    return {name: ", ".join(_decided_by(keys, stack)) for name, keys in _DECIDED.items()}


def _decided_by(keys: Sequence[str], stack: Mapping[str, str]) -> Iterator[str]:
    """The first always, the others where they were given."""
    for key in keys:
        if key == keys[0] or stack.get(key, "default") != "default":
            yield f"{key}: {stack.get(key, 'default')}"


def _embedding(
    is_set: Mapping[str, Any], must: Mapping[str, Any], sources: Mapping[str, str], environ: Mapping[str, str] | None
) -> Iterator[WebuiSetting]:
    # Without persistence it takes them from the environment at each start, and changes over the API last until then.
    from_environment = _says((environ or {}).get(PERSISTENT, "true")) == "false"
    there = dict(_flat(is_set))
    for name, wanted in _flat(must):
        value = there.get(name)
        shown = (_masked(name, value), _masked(name, wanted))
        reported = (environ or {}).get(name)
        ignored = reported is not None and not from_environment and _says(reported) != _says(value)
        note = (
            f"its environment says {_masked(name, reported)}, which counts at its first start alone" if ignored else ""
        )
        came = ENVIRONMENT if from_environment else DATABASE
        yield WebuiSetting(name, shown[0], came, shown[1], sources.get(name, "embedstack"), value != wanted, note)


def _roles(environ: Mapping[str, str] | None) -> Iterator[WebuiSetting]:
    for name, must in stores.ENVIRONMENT.items():
        if environ is None:
            yield WebuiSetting(name, "", UNSEEN, must, "embedstack", differs=False)
        else:
            value = environ.get(name, "")
            yield WebuiSetting(name, value, ENVIRONMENT, must, "embedstack", value != must)


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from ((_CALLED[name, inner], deep) for inner, deep in value.items() if (name, inner) in _CALLED)
        else:
            yield name, value


def _masked(name: str, value: Any) -> str:
    if name.endswith("_KEY") and value:
        return SECRET
    return "" if value is None else str(value)


def _says(value: Any) -> str:
    """As variables have it: `True` is true, 16 is 16."""
    return ("" if value is None else str(value)).casefold()
