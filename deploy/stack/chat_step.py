"""The last step of `up`: a chat model in the Ollama of the stack, or which one to fetch, with the command."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass

from embedstack.deploy.errors import DeployError
from embedstack.deploy.machine import memory
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.models import chat
from embedstack.deploy.models.chat import ChatModel, gb
from embedstack.deploy.ollama.server import Ollama, RunningModel, same_name
from embedstack.deploy.plan.decide import needed
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.sites.found import site

SHOWN = 3  # of the chat models that are there


@dataclass(frozen=True)
class Chat:
    """What Open WebUI, or a client through the bridge, can chat with.

    Attributes:
        models: those that are there.
        proposed: one to fetch where there are none; "" where none fits, or there is no Ollama to fetch it into.
        command: what fetches it, as it can be typed.
        reason: why this one, or why none.
    """

    models: tuple[str, ...]
    proposed: str = ""
    command: str = ""
    reason: str = ""

    @property
    def line(self) -> str:
        if self.models:
            more = f" and {len(self.models) - SHOWN} more" if len(self.models) > SHOWN else ""
            return f"Model:  {', '.join(self.models[:SHOWN])}{more} to chat with"
        if self.command:
            return f"Model:  none to chat with yet: `{self.command}` ({self.reason})"
        return f"Model:  none to chat with: {self.reason}"


def look(plan: Plan, gpus: Gpus) -> Chat | None:
    """None where nobody chats through this stack, or its Ollama does not say what it has."""
    if not (plan.settings.webui.enabled or plan.settings.bridge.passthrough):
        return None
    if plan.ollama_url is None:
        return Chat((), reason=f"the engine is {plan.engine.kind}, and an Ollama is not part of the stack. {_CONNECT}")
    try:
        with Ollama(plan.ollama_url) as ollama:
            if models := ollama.chatting():
                return Chat(models)
            return _proposed(plan, gpus, ollama.loaded())
    except DeployError:
        return None


_CONNECT = "Admin Settings, Connections in Open WebUI takes any server that chats."


def _proposed(plan: Plan, gpus: Gpus, loaded: tuple[RunningModel, ...]) -> Chat:
    if plan.engine.elsewhere:
        light = max((one for one in chat.known() if one.bytes <= chat.ON_CPU), key=lambda one: one.bytes)
        return _to_fetch(plan, light, f"{gb(light.needed)} of memory; what that machine has is not known here")
    for room, on_gpu, where in _rooms(plan, gpus, loaded):
        if (model := chat.propose(room, on_gpu=on_gpu)) is not None:
            beside = f"{gb(model.needed)} of the {gb(room)} that are free {where} beside {plan.served.name}"
            return _to_fetch(plan, model, beside)
    least = chat.known()[0]
    return Chat(
        (),
        reason=f"beside {plan.served.name} there is no room even for {least.name}, which needs {gb(least.needed)}. "
        "`embedstack model advise` says what fits.",
    )


def _rooms(plan: Plan, gpus: Gpus, loaded: tuple[RunningModel, ...]) -> list[tuple[int, bool, str]]:
    """Bytes that are free beside the embedding model: on the GPU, then in the machine's memory."""
    whole = needed(plan.model, plan.file, plan.num_ctx, flash_attention=True)
    mine = next((model for model in loaded if same_name(model.name, plan.served.name)), None)
    rooms, gpu = [], None if plan.settings.engine.cpu else gpus.roomiest
    if gpu is not None:
        seen = gpu.free is not None and gpu.kind == "nvidia" and mine is not None and mine.size_vram > 0
        rooms.append((gpu.usable - (0 if seen else whole), True, "on the GPU"))
        whole = 0
    # A model that is mapped from its file counts as available, loaded or not: it is taken away in either case.
    rooms.append((memory.look().available - whole, False, "in memory"))
    return rooms


def _to_fetch(plan: Plan, model: ChatModel, reason: str) -> Chat:
    return Chat((), model.name, _command(plan, model.name), reason)


def _command(plan: Plan, name: str) -> str:
    """With the `ollama` program where there is one, else over HTTP."""
    if argv := site(plan.mode).ollama(plan, os.environ):
        return shlex.join([*argv, "pull", name])
    return f"""curl {plan.ollama_url}/api/pull -d '{{"model":"{name}"}}'"""
