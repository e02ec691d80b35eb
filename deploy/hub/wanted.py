"""One file of the Hub, pinned: what is asked for and what must come. Pure."""

from dataclasses import dataclass

from embedstack.deploy.errors import InvalidModel
from embedstack.models.model import ModelFile

SHA256_DIGITS = 64


@dataclass(frozen=True)
class Wanted:
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


def wanted(file: ModelFile) -> Wanted:
    """InvalidModel for a file that is on no Hub, or whose size or digest nobody knows."""
    if file.repository is None or file.revision is None:
        raise InvalidModel(f"{file.file} is in no repository of the Hub.", "`embedstack model import FILE` takes one.")
    if file.bytes is None or file.sha256 is None:
        raise InvalidModel(f"{file.file} cannot be chosen: {file.reason}.", "`embedstack model list` shows what can.")
    return Wanted(file.repository, file.revision, file.file, file.bytes, file.sha256)
