"""Files of a catalogue of the user's own that are in no repository: they lie beside the stacks, by their digest."""

from pathlib import Path

from embedstack.deploy import places
from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.hub.verify import Verified, verify
from embedstack.models.model import ModelFile


def path(file: ModelFile) -> Path:
    return places.home() / "models" / str(file.sha256) / file.file


def held(file: ModelFile, report: Report) -> Verified:
    """InvalidModel where it was never imported; WrongBytes."""
    there = path(file)
    if not there.exists():
        raise InvalidModel(
            f"{file.file} is in no repository, and not at {there}.",
            f"`embedstack model import {file.file}` puts it there.",
        )
    return verify(there, file, report)
