"""The command lines of `docker` and `docker compose`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A Compose project: its name, its files in order, and the file of variables they are filled in from."""

    name: str
    files: tuple[Path, ...]
    variables: Path

    def command(self, *arguments: str) -> list[str]:
        """`docker compose` for this project."""
        files = [part for file in self.files for part in ("--file", str(file))]
        return [*compose(self.name), "--env-file", str(self.variables), *files, *arguments]

    def up(self, services: Sequence[str], wait: float) -> list[str]:
        """Start `services` in the background and wait at most `wait` seconds until all of them are healthy."""
        return self.command("up", "--detach", "--wait", "--wait-timeout", str(max(1, round(wait))), *services)

    def config(self, services: Sequence[str]) -> list[str]:
        """Print what comes of all files, for `services` and what they depend on."""
        return self.command("config", *services)

    def run(self, service: str, *arguments: str) -> list[str]:
        """A command in a container of its own, made as that service's and gone afterwards."""
        return self.command("run", "--rm", "--no-deps", "--no-TTY", service, *arguments)


def compose(project: str) -> list[str]:
    """`docker compose` for a project that runs: its containers say themselves what belongs to it."""
    return ["docker", "compose", "--project-name", project]


def down(project: str, *, volumes: bool) -> list[str]:
    return [*compose(project), "down", "--remove-orphans", *(["--volumes"] if volumes else [])]


def restart(project: str, services: Sequence[str]) -> list[str]:
    return [*compose(project), "restart", *services]


def logs(project: str, services: Sequence[str], *, lines: int, follow: bool) -> list[str]:
    following = ["--follow"] if follow else []
    return [*compose(project), "logs", "--no-color", "--tail", str(lines), *following, *services]


def python(project: str, service: str) -> list[str]:
    """The Python of a container that runs, which reads our standard input; what it shall run is added."""
    return [*compose(project), "exec", "-T", service, "python3"]


def remove(containers: Sequence[str]) -> list[str]:
    return ["docker", "rm", "--force", *containers]


def build(context: Path, image: str, base: str, label: str, options: Sequence[str] = ()) -> list[str]:
    """Build the bridge's image from `context`; `label` says from which sources. `options` are for tests.

    PIP_INDEX_URL is taken from the environment where it is set: pip in the build then asks that mirror of PyPI.
    """
    arguments = ["--build-arg", f"BASE={base}", "--build-arg", "PIP_INDEX_URL", "--label", label, "--tag", image]
    arguments += options
    return ["docker", "build", "--file", str(context / "compose" / "bridge.Dockerfile"), *arguments, str(context)]
