"""What was made in which Ollama from which file, in a small file of ours, 0600.

From 0.30 on Ollama may rewrite a GGUF while it creates a model (llama-quantize COPY, server/create.go), and the blob
that /api/show then names is not the file's. So the digest of the manifest that came out is kept beside the file's
sha256: as long as Ollama lists the same digest, the model is the one that was made, its parameters included.
"""

from pathlib import Path

import msgspec

from embedstack.deploy import places
from embedstack.host import files
from embedstack.readers import json_file


class Made(msgspec.Struct, frozen=True):
    """`source`: sha256 of the GGUF. `digest`: of the manifest, as in /api/tags. `parameters` as /api/show has them.
    `verified`: its vectors have been found right since.
    """

    source: str
    digest: str
    parameters: dict[str, str]
    verified: bool = False

    def same(self, other: "Made") -> bool:
        """Whether both are one model, verified or not."""
        return (self.source, self.digest, self.parameters) == (other.source, other.digest, other.parameters)


def recall(url: str, name: str) -> Made | None:
    return _read().get(_key(url, name))


def remember(url: str, name: str, made: Made | None) -> None:
    """None forgets. Where it cannot be written, the model is made once more next time, and nothing is wrong."""
    known = {key: value for key, value in _read().items() if key != _key(url, name)}
    if made is not None:
        known[_key(url, name)] = made
    try:
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(_file(), msgspec.json.format(msgspec.json.encode(known)))
    except OSError:
        return


def vouch(url: str, name: str) -> None:
    """Its vectors are right: `verify` has passed."""
    if (known := recall(url, name)) is not None:
        remember(url, name, msgspec.structs.replace(known, verified=True))


def _key(url: str, name: str) -> str:
    return f"{url.rstrip('/')} {name.casefold().removesuffix(':latest')}"


def _file() -> Path:
    return places.home() / "ollama.json"


def _read() -> dict[str, Made]:
    try:
        return json_file.read_again(_file(), dict[str, Made], "models are made again in Ollama") or {}
    except OSError:
        return {}
