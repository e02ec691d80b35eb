"""What `up` and the other verbs ask of either mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from embedstack.deploy.state import PartState


class Running(Protocol):
    """A stack as it is found. Its parts are called the same in both modes: ollama, vllm, bridge, open-webui."""

    def states(self) -> tuple[PartState, ...]:
        """Every part; empty where nothing of the stack runs."""

    def stop(self, *, volumes: bool) -> tuple[str, ...]:
        """Stop all of it, and take its data away if `volumes`; the names of what was stopped."""

    def restart(self, names: Sequence[str]) -> tuple[PartState, ...]:
        """Start these anew, all where none is named; NotRunning for a name that is none."""

    def logs(self, names: Sequence[str], *, lines: int, follow: bool) -> Iterator[str]:
        """The last lines of each part, then what comes."""


class Runner(Running, Protocol):
    """A stack as it is planned."""

    def start(self, names: Sequence[str]) -> bool:
        """See that these run as planned, and wait until they are ready; whether anything had to be done for it.

        PartNotReady or CommandFailed, with the last lines of the part's log.
        """

    def in_webui(self, script: str, argument: str) -> str:
        """What a Python script prints in Open WebUI's environment, with its variables. PartNotReady, CommandFailed."""
