"""What a repository of the Hub holds at a commit, each file with its size and digest.

Apart from `remote`, since the library's HfApi takes 16 MB and 0.3 s that no download of a GGUF needs.
"""

import os
from pathlib import PurePosixPath

from huggingface_hub.hf_api import HfApi, RepoFile

from embedstack.deploy.errors import WrongBytes
from embedstack.deploy.hub.source import Source, WantedFile, token


def listing(repository: str, revision: str, source: Source) -> tuple[WantedFile, ...]:
    """All files of a repository at a commit."""
    hub = HfApi(endpoint=source.url, token=token(os.environ))
    entries = hub.list_repo_tree(repository, revision=revision, recursive=True)
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    outside = [file.path for file in files if not _inside(file.path)]
    if outside:
        raise WrongBytes(f"{source.url} lists a file outside of {repository}: {outside[0]!r}.", "Take another mirror.")
    return tuple(
        WantedFile(repository, revision, file.path, file.size, file.lfs.sha256 if file.lfs else file.blob_id)
        for file in files
    )


def _inside(name: str) -> bool:
    """Whether a name that a mirror tells stays where it belongs on this disk."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
