"""What the stack is to be, as far as the checks must know. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from embedstack.deploy.plan.plan import Engine, Mode, Plan
from embedstack.deploy.settings import Settings
from embedstack.models.model import Model, ModelFile

LIGHT = 1_000_000_000  # parameters: the 0.6B is usable on a CPU, the 4B (seconds for a page) is not
BF16_BYTES = 2
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")  # noqa: S104 -- compared with, only


@dataclass(frozen=True)
class Intent:
    """A stack that is to be brought up, or runs."""

    plan: Plan

    @property
    def settings(self) -> Settings:
        return self.plan.settings

    @property
    def mode(self) -> Mode:
        return self.plan.mode

    @property
    def engine(self) -> Engine:
        return self.plan.engine

    @property
    def model(self) -> Model:
        return self.plan.served.model

    @property
    def file(self) -> ModelFile:
        """The GGUF; where only vLLM serves the model, the one that Ollama would take."""
        return self.model.file(None if self.engine.kind == "vllm" else self.plan.served.precision)

    @property
    def num_ctx(self) -> int:
        return self.plan.served.num_ctx

    @property
    def heavy(self) -> bool:
        """Whether the model belongs on a GPU."""
        return (self.model.parameters or 0) > LIGHT

    @property
    def elsewhere(self) -> bool:
        """Whether the engine is on another machine, of whose memory and GPU nothing is known."""
        url = self.engine.url
        return not self.engine.managed and url is not None and not local(url)

    @property
    def folder_bytes(self) -> int:
        """Of the safetensors that vLLM reads, 0 where there is no vLLM."""
        wanted = self.engine.kind == "vllm" or self.plan.beside is not None
        return (self.model.parameters or 0) * BF16_BYTES if wanted and self.model.safetensors else 0


def local(url: str) -> bool:
    """Whether `url` means this machine."""
    return (urlsplit(url).hostname or "") in LOCAL_HOSTS
