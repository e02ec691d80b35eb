"""Whether engines can have the GPU, and a large model that runs on the CPU though nobody asked for that. Pure."""

from collections.abc import Iterator, Sequence

from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.doctor.finding import Finding, gib
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.ollama.server import RunningModel
from embedstack.deploy.plan.plan import Plan

TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"


def check(plan: Plan, gpus: Gpus, daemon: Daemon | None) -> Iterator[Finding]:
    """`daemon` None: not asked, since no container is to run."""
    if gpus.trouble:
        yield Finding(
            "GPU-DRIVER",
            "warning",
            "The GPU's driver does not answer",
            gpus.trouble,
            "Engines cannot use the GPU and take the CPU without a word.",
            "Run `nvidia-smi` yourself: after an update of the driver the machine wants a restart.",
        )
    if daemon is not None and not daemon.why_not and not plan.settings.engine.cpu:
        yield from _containers(plan, gpus, daemon)


def _containers(plan: Plan, gpus: Gpus, daemon: Daemon) -> Iterator[Finding]:
    kinds = {gpu.kind for gpu in gpus.found}
    if not plan.engine.managed or plan.engine.kind == "embedded":
        return
    if "apple" in kinds:
        yield Finding(
            "GPU-APPLE-DOCKER",
            "blocker" if plan.heavy else "warning",
            "Containers on a Mac have no GPU",
            f"{gpus.found[0].name}; Docker runs Linux in a virtual machine, to which Metal is not handed on.",
            "The engine would compute on the CPU, many times slower.",
            "Take `--mode native`, or `--cpu` if that is meant.",
        )
    elif "nvidia" in kinds and daemon.gpu is None:
        known = ", ".join(daemon.runtimes) or "none"
        yield Finding(
            "GPU-TOOLKIT-MISSING",
            "blocker" if plan.heavy else "warning",
            "Docker cannot hand the GPU to a container",
            f"{gpus.found[0].name}, driver {gpus.found[0].driver}; the daemon's runtimes are {known}, and no CDI "
            "specification of nvidia.com/gpu was found.",
            "The engine would compute on the CPU, many times slower.",
            f"Install the NVIDIA Container Toolkit ({TOOLKIT}), then `sudo nvidia-ctk runtime configure "
            "--runtime=docker` and restart Docker; or take `--mode native`, or `--cpu`.",
        )


def check_plan(plan: Plan, gpus: Gpus) -> Iterator[Finding]:
    """Before anything is started."""
    if plan.settings.engine.cpu or not plan.heavy or plan.engine.elsewhere:
        return
    if (gpu := gpus.roomiest) is None:
        yield Finding(
            "CPU-UNASKED",
            "warning",  # a GPU of another make, as Intel's through Vulkan, is not seen here, and Ollama uses it
            f"{plan.model.id} will run on the CPU",
            "No NVIDIA, AMD or Apple GPU was found here.",
            "A page of text takes seconds, a document minutes.",
            "`--cpu` says that it is meant; else a smaller model (`--model qwen3-embedding:0.6b`), or an engine on "
            "another machine (`--set engine.url=http://HOST:11434`).",
        )
    elif plan.engine.kind == "embedded" and gpu.kind != "apple":
        yield Finding(
            "GPU-WITHOUT-ENGINE",
            "blocker",
            "There is a GPU, and no engine that uses it",
            f"{gpu.name}, {gib(gpu.total)}; the embedded engine computes on the CPU ({plan.engine.reason}).",
            f"{plan.model.id} would be many times slower than it could be.",
            "Install Ollama (https://ollama.com/download) and say `embedstack up` again, or take `--mode docker`; "
            "`--cpu` if the CPU is meant.",
        )


def check_loaded(plan: Plan, gpus: Gpus, loaded: Sequence[RunningModel]) -> Iterator[Finding]:
    """While it runs: Ollama loses a GPU without a word, also hours later (ollama#14658)."""
    gpu = gpus.roomiest
    if gpu is None or plan.settings.engine.cpu or plan.engine.elsewhere:
        return
    for model in loaded:
        if model.size_vram >= model.size:
            continue
        where = "all" if model.size_vram == 0 else gib(model.size - model.size_vram)
        yield Finding(
            "CPU-FALLBACK",
            "warning",
            "Ollama computes on the CPU although there is a GPU",
            f"{model.name}: {where} of its {gib(model.size)} on the CPU, {gib(model.size_vram)} on the GPU "
            f"({gpu.name}, {gib(gpu.usable)} free).",
            "Vectors are the same, many times slower.",
            "Restart Ollama (`embedstack restart ollama`, `sudo systemctl restart ollama`); its log tells what it "
            'found. In containers, if it comes back: "exec-opts": ["native.cgroupdriver=cgroupfs"] in '
            "/etc/docker/daemon.json.",
        )
