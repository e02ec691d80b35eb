"""What an Open WebUI's index was made with, kept beside its data: Open WebUI itself keeps neither size nor prompt."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from embedstack.contract.answers import IndexFacts
from embedstack.deploy.errors import FileDamaged, FolderNotUsable
from embedstack.deploy.places import Places, home
from embedstack.host import files
from embedstack.readers import json_file
from embedstack.readers.content import DamagedFile

NAME = "webui-index.json"


@dataclass(frozen=True)
class IndexRecord:
    """`facts` as the bridge reported them. `complete` False while it is embedded again, and until all of it was.

    `store`: where its vectors are, as webui.vector_store has it; None for an Open WebUI that no stack started.
    """

    facts: IndexFacts
    complete: bool = True
    store: str | None = None


def of_stack(places: Places) -> Path:
    """Beside the stack's data: `down --volumes` takes both away."""
    return places.root / NAME


def of_url(url: str) -> Path:
    """For an Open WebUI that no stack of ours started."""
    one = url.rstrip("/").replace("//localhost", "//127.0.0.1", 1)
    return home() / "webui" / f"{hashlib.sha256(one.encode()).hexdigest()[:16]}.json"


def read(path: Path) -> IndexRecord | None:
    """None where nothing was recorded yet. FolderNotUsable, FileDamaged where one cannot be read."""
    try:
        return json_file.read(path, IndexRecord)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderNotUsable(f"{path} cannot be read: {error.strerror}.", "Make it yours.") from error
    except DamagedFile as error:
        raise FileDamaged(
            f"{path}, which says what Open WebUI's index was made with, is damaged: {error.detail}.",
            "Put it right, or move it away: the next `embedstack up` takes the index for one of the model that is set.",
        ) from error


def write(path: Path, record: IndexRecord) -> None:
    """0600. FolderNotUsable where it cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(path, msgspec.json.format(msgspec.json.encode(asdict(record))))
    except OSError as error:
        raise FolderNotUsable(f"{path} cannot be written: {error.strerror}.", "Make its folder yours.") from error
