"""The embedded engine's own program, served alone and on a port: a real OpenAI-shaped engine that needs no compiler.

`python -m tests.upstreams.llama '{"gguf": …}'` is the process; the bridge's own listens on no network.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def llama_child(gguf: Path, *, model: str, cache: str = "F16") -> Iterator[str]:
    """llama.cpp as the bridge loads it, with `gguf` under the name `model`, until the block ends; yields its URL.
    `cache` is the type of its keys and values, by ggml's name.
    """
    options = {"gguf": str(gguf), "alias": model, "context": 8192, "threads": 1, "cache": cache}
    command = [sys.executable, "-m", "tests.upstreams.llama", json.dumps(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, f"the engine ended with {child.wait()} before it served"
        try:
            yield json.loads(line)["url"]
        finally:
            child.kill()


def _on_a_port() -> None:
    import xllamacpp

    from embedstack.bridge.backends import llama_child as program

    options = json.loads(sys.argv[1])
    wanted = program.parameters(options)
    wanted.cache_type_k = wanted.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{options['cache']}"]
    wanted.hostnames, wanted.port = ["127.0.0.1"], 0
    program.serve(wanted)
    os._exit(0)  # as the bridge's own: nobody waits for requests in flight


if __name__ == "__main__":
    _on_a_port()
