"""A part of a native stack: what is started, and how one knows that it is ready. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

# What every part takes over from the one who started the supervisor; the rest of it may be meant for others.
INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    | {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
)
# How engines see the GPU, and the settings that a person has made for an engine: OLLAMA_MODELS, HF_HOME, …
INHERITED_PREFIXES = ("LC_", "XDG_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "OLLAMA_", "VLLM_", "HF_")
LOCAL = "localhost,127.0.0.1,::1"


@dataclass(frozen=True)
class PartSpec:
    """A process to keep running.

    Attributes:
        environment: what is added to the inherited variables.
        ready_url: answers 200 once the part can be used; None: once it has run for a second.
        address: where it is reached, to be shown.
        ready_timeout, stop_timeout: seconds; after the latter it is killed.
        after: parts that are started before this one and stopped after it.
        secrets: names of variables in `environment` that are never shown.
        stamp: changes whenever the part must be restarted although its command has not changed.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str] = field(default_factory=dict)
    ready_url: str | None = None
    address: str | None = None
    ready_timeout: float = 60.0
    stop_timeout: float = 15.0
    after: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    stamp: str = ""

    @property
    def digest(self) -> str:
        """Equal for two specs exactly when a part that runs by one needs no restart to be as the other wants it."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def shown(self) -> dict[str, str]:
        """Its environment without secrets."""
        return {name: "***" if name in self.secrets else value for name, value in self.environment.items()}


def as_now_named(spec: PartSpec) -> PartSpec:
    """A spec that names the bridge's module as it was before the package was called embedstack, with today's name.

    A stack that was brought up before an upgrade has such specs until its next `up`.
    """
    match spec.argv:
        case (python, *flags, "-m", "bridge", "--config", config):
            return replace(spec, argv=(python, *flags, "-m", "embedstack.bridge", "--config", config))
    return spec


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What a part takes over of `environ`; parts reach each other without the proxy, whatever that says.

    A part's folder holds data, uploads of Open WebUI's users too. PYTHONSAFEPATH keeps it from being a source of code
    for what a part itself starts.
    """
    kept = {name: value for name, value in environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), LOCAL)))
    kept["PYTHONSAFEPATH"] = "1"
    return kept
