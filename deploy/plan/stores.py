"""What Open WebUI 0.12 has to know of the store that keeps its vectors, and what each store cannot do. Pure.

docs/open-webui.md has the limits at length.

The role of a text, query or document, which Open WebUI sends as a field of the request. Pure.

Three settings make it do so. It reads them at its start from the environment alone: they are in no database, and its
API does not know them. A field name that is empty is worse than none: the field is then sent without a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.settings import Store

# Dimensions that an index of pgvector takes: of 4 bytes each (`vector`), and of 2 (`halfvec`).
WHOLE, HALF = 2000, 4000
INDEX = "hnsw"
SECRETS = ("PGVECTOR_DB_URL", "QDRANT_API_KEY", "WEAVIATE_API_KEY")
PACKAGES: dict[Store, tuple[str, ...]] = {
    "chroma": (),
    "pgvector": ("pgvector", "psycopg2-binary"),
    "weaviate": ("weaviate-client",),
    "qdrant": ("qdrant-client",),
}
"""What `pip install open-webui` leaves out, and Open WebUI's image has."""

_SCHEMES: dict[Store, tuple[str, ...]] = {
    "chroma": (),
    "pgvector": ("postgresql",),
    "weaviate": ("http", "https"),
    "qdrant": ("http", "https"),
}
_EXAMPLES = {
    "pgvector": "postgresql://USER@HOST:5432/DATABASE",
    "weaviate": "http://HOST:8080",
    "qdrant": "http://HOST:6333",
}


@dataclass(frozen=True)
class StoreServer:
    """A server of vectors, as Open WebUI reaches it. `key`: its password or API key."""

    url: str
    key: str | None = field(default=None, repr=False)
    grpc_port: int = 50051


def check(store: Store, dimensions: int, url: str | None) -> None:
    """InvalidSettings for an address that this store cannot have, and for vectors that it could not search."""
    if store == "pgvector" and dimensions > HALF:
        raise InvalidSettings(
            f"webui.vector_store is pgvector, whose index takes at most {HALF} dimensions; the model has {dimensions}.",
            "Take fewer of them, which the bridge cuts and normalises, as `--set model.dimensions=2560`; or another "
            "store.",
        )
    if url is not None:
        _check_address(store, url)


def variables(store: Store, dimensions: int, server: StoreServer | None) -> dict[str, str]:
    """The environment of Open WebUI that is about its store; `server` is None for Chroma alone. Secret."""
    match store:
        case "chroma":
            return {"VECTOR_DB": store}
        case "pgvector":
            return {"VECTOR_DB": store, **_pgvector(dimensions, _needed(server))}
        case "weaviate":
            return {"VECTOR_DB": store, **_weaviate(_needed(server))}
        case "qdrant":
            return {"VECTOR_DB": store, **_qdrant(_needed(server))}


def column(dimensions: int) -> str:
    """The type of pgvector's column, as PostgreSQL writes it: halfvec(2560)."""
    return f"{'halfvec' if dimensions > WHOLE else 'vector'}({dimensions})"


def _check_address(store: Store, url: str) -> None:
    if store == "chroma":
        raise InvalidSettings(
            "webui.vector_store_url is set, and webui.vector_store is chroma, which is inside Open WebUI.",
            "Remove the one, or change the other.",
        )
    parts = _split(url)
    if parts is None or parts.scheme not in _SCHEMES[store]:
        raise InvalidSettings(
            f"webui.vector_store_url is not an address of {store}.", f"It looks like {_EXAMPLES[store]}."
        )
    if parts.password is not None:
        raise InvalidSettings(
            "webui.vector_store_url has a password in it, where others may read it.",
            "Put the password alone into a file that only you can read, and name it in webui.vector_store_key_file.",
        )


def _pgvector(dimensions: int, server: StoreServer) -> dict[str, str]:
    return {
        "PGVECTOR_DB_URL": _with_password(server),
        # Exactly as many as the model gives: Open WebUI cuts longer vectors and fills up shorter ones, in silence.
        "PGVECTOR_INITIALIZE_MAX_VECTOR_LENGTH": str(dimensions),
        "PGVECTOR_USE_HALFVEC": str(column(dimensions).startswith("halfvec")),
        # Its own choice below 2000, ivfflat, asks one list in a hundred, and misses what is in the others.
        "PGVECTOR_INDEX_METHOD": INDEX,
    }


def _weaviate(server: StoreServer) -> dict[str, str]:
    parts = urlsplit(server.url)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    found = {
        "HTTP_HOST": host,
        "HTTP_PORT": str(parts.port or (443 if secure else 80)),
        "HTTP_SECURE": str(secure),
        "GRPC_HOST": host,
        "GRPC_PORT": str(server.grpc_port),
        "GRPC_SECURE": str(secure),
        **({"API_KEY": server.key} if server.key else {}),
    }
    return {f"WEAVIATE_{name}": value for name, value in found.items()}


def _qdrant(server: StoreServer) -> dict[str, str]:
    return {
        "QDRANT_URI": server.url,
        **({"QDRANT_API_KEY": server.key} if server.key else {}),
        # With it, Open WebUI keeps all knowledge bases in one collection, of one dimension for ever: another one breaks
        # them all until somebody drops the collection, which its own Reindex does not. Without, each has its own.
        "ENABLE_QDRANT_MULTITENANCY_MODE": "False",
        # Seconds; its default of 5 is short for a batch of long vectors on a busy disk.
        "QDRANT_TIMEOUT": "60",
    }


def _with_password(server: StoreServer) -> str:
    parts = urlsplit(server.url)
    if server.key is None:
        return server.url
    user, at, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(server.key, safe='')}{at or '@'}{place}"))


def _needed(server: StoreServer | None) -> StoreServer:
    if server is None:
        raise ValueError("this store is a server, and none is given")
    return server


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now, and refused where it is none
    except ValueError:
        return None
    return parts if parts.hostname or parts.query else None


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
