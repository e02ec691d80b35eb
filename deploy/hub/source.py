"""Where model files come from and where they are kept, from the settings and the environment. Pure.

One file of the Hub, pinned: what is asked for and what must come. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.settings import HubSettings
from embedstack.models.model import ModelFile

HUB = "https://huggingface.co"
_TRUE = {"1", "ON", "YES", "TRUE"}  # what huggingface_hub takes for true


@dataclass(frozen=True)
class Source:
    """A Hub and a cache folder. It holds no token, so that it can be printed."""

    endpoint: str | None
    offline: bool
    cache: Path | None

    @property
    def url(self) -> str:
        return (self.endpoint or HUB).rstrip("/")

    @property
    def folder(self) -> Path:
        """The cache folder, which has the layout of huggingface_hub's own."""
        return (self.cache or default_cache({})).expanduser().absolute()


def source(settings: HubSettings, environ: Mapping[str, str]) -> Source:
    """What the settings say, else the variables that huggingface_hub knows."""
    return Source(
        endpoint=settings.endpoint or environ.get("HF_ENDPOINT") or None,
        offline=settings.offline or _true(environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE")),
        cache=settings.cache or default_cache(environ),
    )


def token(environ: Mapping[str, str]) -> str | Literal[False]:
    """HF_TOKEN, else False, with which huggingface_hub sends none: no file of another tool's is read."""
    return environ.get("HF_TOKEN", "").strip() or False


def default_cache(environ: Mapping[str, str]) -> Path:
    """The Hub's cache folder, by the same variables and in the same order as huggingface_hub 2.4 constants.py."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := environ.get(name):
            return Path(named)
    root = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(environ.get("HF_HOME") or f"{root}/huggingface") / "hub"


def _true(value: str | None) -> bool:
    return value is not None and value.upper() in _TRUE


SHA256_DIGITS = 64


@dataclass(frozen=True)
class WantedFile:
    """A file at a commit.

    Attributes:
        digest: sha256 of the content where the Hub keeps the file as LFS, else git's id of the blob (40 digits). It is
            the ETag, and the name of the file in the Hub's cache.
    """

    repository: str
    revision: str
    name: str
    bytes: int
    digest: str

    @property
    def by_sha256(self) -> bool:
        return len(self.digest) == SHA256_DIGITS

    @property
    def path(self) -> str:
        """Under the address of a Hub."""
        return f"{self.repository}/resolve/{self.revision}/{self.name}"


def wanted(file: ModelFile) -> WantedFile:
    """InvalidModel for a file that is on no Hub, or whose size or digest nobody knows."""
    if file.repository is None or file.revision is None:
        raise InvalidModel(f"{file.file} is in no repository of the Hub.", "`embedstack model import FILE` takes one.")
    if file.bytes is None or file.sha256 is None:
        raise InvalidModel(f"{file.file} cannot be chosen: {file.reason}.", "`embedstack model list` shows what can.")
    return WantedFile(file.repository, file.revision, file.file, file.bytes, file.sha256)
