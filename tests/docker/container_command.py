"""The real `embedstack` command, on a stack of its own in containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.docker.images import Images
from tests.stack_command import StackCommand, stack_command


@contextmanager
def in_containers(folder: Path, name: str, images: Images, **more: str) -> Iterator[StackCommand]:
    """A command whose stack runs from images of this machine, and leaves nothing when the block ends."""
    with stack_command(folder) as native:
        own = {
            "EMBEDSTACK_STACK_NAME": name,
            "EMBEDSTACK_STACK_MODE": "docker",
            "EMBEDSTACK_STACK_WAIT": "180",
            "EMBEDSTACK_IMAGES_OLLAMA": images.ollama(),
            "EMBEDSTACK_IMAGES_BRIDGE": images.bridge(),
            "EMBEDSTACK_IMAGES_BRIDGE_BASE": images.python(),
            **more,
        }
        command = replace(native, environment={**native.environment, **own})
        try:
            yield command
        finally:
            command.run("down", "--volumes", "--yes")
