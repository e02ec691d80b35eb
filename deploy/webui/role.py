"""The role of a text, query or document, which Open WebUI sends as a field of the request. Pure.

Three settings make it do so. It reads them at its start from the environment alone: they are in no database, and its
API does not know them. A field name that is empty is worse than none: the field is then sent without a name.
"""

from collections.abc import Mapping

FIELD, QUERY, CONTENT = (
    "RAG_EMBEDDING_PREFIX_FIELD_NAME",
    "RAG_EMBEDDING_QUERY_PREFIX",
    "RAG_EMBEDDING_CONTENT_PREFIX",
)
ENVIRONMENT = {FIELD: "input_type", QUERY: "query", CONTENT: "document"}


def lines() -> tuple[str, ...]:
    """The environment that sends it, to be copied into a Compose file or a unit."""
    return tuple(f"{name}={value}" for name, value in ENVIRONMENT.items())


def sent(environ: Mapping[str, str]) -> bool:
    """Whether an Open WebUI with this environment sends it."""
    return all(environ.get(name) == value for name, value in ENVIRONMENT.items())
