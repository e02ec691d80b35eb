"""The gate of whatever a path is: a GGUF, or a Hugging Face folder."""

from pathlib import Path

from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.gates import gguf, safetensors
from embedstack.deploy.gates.verdict import GateVerdict, refuse
from embedstack.models.catalog import Model


def examine(path: Path, model: Model) -> tuple[GateVerdict, ...]:
    """A verdict on each fact. InvalidModel where there is no such file, or it cannot be read."""
    try:
        if path.is_dir():
            return safetensors.examine(path, model)
        if path.is_file():
            return gguf.examine(path, model)
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error.strerror or error}", "Name a file you may read.") from error
    raise InvalidModel(f"{path} is neither a file nor a folder", "Name a GGUF, or a model's Hugging Face folder.")


def accept(path: Path, model: Model) -> tuple[GateVerdict, ...]:
    """The verdicts, of which none is a failure. ModelRefused where one is; InvalidModel as `examine`."""
    verdicts = examine(path, model)
    refuse(path, model.id, verdicts)
    return verdicts
