"""The embedded engine's own process, served alone: a real OpenAI-shaped engine that needs no compiler."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def llama_child(gguf: Path, *, model: str) -> Iterator[str]:
    """`bridge.backends.llama_child` with `gguf` under the name `model`, until the block ends; yields its URL."""
    options = {"gguf": str(gguf), "alias": model, "context": 8192, "threads": 1}
    command = [sys.executable, "-m", "bridge.backends.llama_child", json.dumps(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, f"the engine ended with {child.wait()} before it served"
        try:
            yield json.loads(line)["url"]
        finally:
            child.kill()
