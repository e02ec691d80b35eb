"""Unknown paths: which API the client speaks, and which base URL it needs."""

import re

from embedstack.bridge.errors import NotFound

CHAT = ("/api/chat", "/api/generate", "/v1/chat/completions")
# Paths that change the models of an Ollama, or copy them elsewhere.
MANAGING = ("/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs")

_PATHS = "docs/api.md lists every path."
_LONGEST_PATH = 200  # characters of a path in a message
# The end of the paths that a client asks for, independent of its base URL.
_OLLAMA = re.compile(
    r"/api/(embed|embeddings|tags|show|ps|version|chat|generate|pull|push|create|copy|delete|blobs(/[^/]*)?)$"
)
_OPENAI = re.compile(r"/(embeddings|completions|responses|models(/.*)?)$")
_OPENAI_BEFORE = re.compile(r"^/(.*/)?(v\d+(alpha|beta)?|openai|engines)(/|$)")
_AZURE = re.compile(r"/openai/deployments/")


def speaks_openai(path: str) -> bool:
    """Whether a client that asks at `path` expects OpenAI's errors; otherwise it expects Ollama's."""
    path = path.lower()
    if path.startswith("/v1/models/"):  # the rest is a model's name
        return True
    return not _OLLAMA.search(path) and bool(_OPENAI_BEFORE.match(path) or _OPENAI.search(path))


def nothing_at(path: str, base: str) -> NotFound:
    """Why a path does not exist, and how to configure the client. `base`: the URL by which the client reached us."""
    at = f"There is nothing at {path[:_LONGEST_PATH]}"
    if path in MANAGING or path.startswith("/api/blobs/"):
        return NotFound(f"{at}: models are managed at Ollama itself.", f"Ask it at its own address. {_PATHS}")
    if path in CHAT:
        return NotFound(
            f"{at}: this service embeds.",
            f"Ask Ollama itself, or set passthrough.ollama to it. {_PATHS}",
        )
    return NotFound(f"{at}.", _advice(path.lower(), base))


def _advice(path: str, base: str) -> str:
    if _AZURE.search(path):
        return (
            f"That is a path of Azure OpenAI. Use the plain OpenAI client (OpenAI, not AzureOpenAI) with the base URL "
            f"{base}/v1."
        )
    if _OLLAMA.search(path):
        return f"Set the client's base URL to {base}: a client of Ollama adds /api/… itself."
    if _OPENAI.search(path):
        return f"Set the client's base URL to {base}/v1: a client of OpenAI adds /embeddings itself."
    return f"A client of OpenAI wants the base URL {base}/v1, one of Ollama {base}. {_PATHS}"
