"""Build the demo model: `demo-embedding-f16.gguf` and the Hugging Face folder `hf/`, of the very same weights.

Nothing is downloaded. The same release builds the same bytes everywhere, so its sha256 can stand in the catalogue.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from embedstack.models.demo import gguf_file, hf_folder, weights
from embedstack.models.demo.checkpoint import Checkpoint
from embedstack.models.demo.lexicon import FOLDER, read, vocabulary
from embedstack.readers import json_file

GGUF, HF, MANIFEST = "demo-embedding-f16.gguf", "hf", "demo.json"
NAME = "Embedstack demo (lexical stand-in, not Qwen3)"
DESCRIPTION = (
    "A stand-in for trying Embedstack without a download: its weights are constructed, not trained. It compares words "
    "by a small Chinese and English lexicon and understands nothing. Do not use it for real search."
)
NEEDED_BYTES = 150_000_000


class DemoModelError(RuntimeError):
    """The demo model could not be written; says which folder, why, and what to do."""


@dataclass(frozen=True)
class DemoFiles:
    """Where the demo model lies; `sha256` is that of the GGUF, in hex."""

    gguf: Path
    hf: Path
    sha256: str


@dataclass(frozen=True)
class _Manifest:
    """Of which sources the files were made, and the digest of each."""

    recipe: str
    files: dict[str, str]


def default_folder() -> Path:
    """The cache folder of this model: `EMBEDSTACK_CACHE`, else the user's cache directory, and `models/demo-v1`."""
    root = os.environ.get("EMBEDSTACK_CACHE") or platformdirs.user_cache_dir("embedstack")
    return Path(root) / "models" / "demo-v1"


def build(folder: Path) -> DemoFiles:
    """Make sure that `folder` holds this release's demo model, whole and unchanged; a few seconds the first time.

    Returns at once when it does. Safe to interrupt, and to call from two processes: the files are made in a folder
    beside and renamed, the manifest last. Other files in `folder` are left alone. DemoModelError if it cannot write.
    """
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if (found := _verified(folder)) is None:
                _replace(folder)
                found = _verified(folder)
    if found is None:
        raise DemoModelError(f"{folder} changed while the demo model was written there: run the command again.")
    return found


def checkpoint() -> Checkpoint:
    """The demo model in memory."""
    words = vocabulary()
    return Checkpoint(NAME, DESCRIPTION, weights.ARCHITECTURE, words, weights.tensors(words))


def _replace(folder: Path) -> None:
    for left in folder.glob(".building-*"):  # what an interrupted build has left; the lock shows that none is running
        shutil.rmtree(left)
    if (free := shutil.disk_usage(folder).free) < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free, {NEEDED_BYTES / 1e6:.0f} MB are needed")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as made:
        _write(Path(made))
        shutil.rmtree(folder / HF, ignore_errors=True)
        for name in (GGUF, HF, MANIFEST):
            (Path(made) / name).replace(folder / name)


def _write(folder: Path) -> None:
    model = checkpoint()
    gguf_file.write(folder / GGUF, model)
    hf_folder.write(folder / HF, model, read("card.md"))
    files = {str(path.relative_to(folder)): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / MANIFEST).write_text(json.dumps({"recipe": _recipe(), "files": files}, indent=2) + "\n")


def _verified(folder: Path) -> DemoFiles | None:
    """The files, if the manifest is of this recipe and every file is as it says."""
    try:
        manifest = json_file.read_again(folder / MANIFEST, _Manifest, "the demo model is built again")
        if manifest is None or manifest.recipe != _recipe() or GGUF not in manifest.files:
            return None
        whole = all(_sha256(folder / name) == digest for name, digest in manifest.files.items())
    except (FileNotFoundError, ValueError):  # a name with a NUL in it
        return None
    return DemoFiles(folder / GGUF, folder / HF, manifest.files[GGUF]) if whole else None


def _recipe() -> str:
    """What the files are made from: a cached model of another release is built again."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in _sources())).hexdigest()


def _sources() -> list[Path]:
    words = (FOLDER / name for name in ("lexicon.yaml", "words.yaml", "card.md"))
    return [*sorted(Path(__file__).parent.glob("*.py")), *words]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or f"a write ended early ({error})"  # NumPy's own error of a full disk has no strerror
        raise DemoModelError(
            f"The demo model could not be written to {folder}: {why}. "
            f"Free {NEEDED_BYTES / 1e6:.0f} MB there, or set EMBEDSTACK_CACHE to a folder that you may write to."
        ) from error
