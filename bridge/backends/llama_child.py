"""llama.cpp in a process of its own: `python -m bridge.backends.llama_child '{"gguf": …}'`.

It serves OpenAI's API on a loopback port of the system's choice, prints one line of JSON with its address when the
model is loaded, and ends when its standard input closes: a bridge that is killed leaves no engine behind.
"""

import json
import os
import sys
from pathlib import Path

import xllamacpp


def main() -> None:
    options = json.loads(sys.argv[1])
    server = xllamacpp.Server(_parameters(options))
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    # llama.cpp's own shutdown waits for requests in flight; the parent has gone, so nobody waits for them.
    os._exit(0)


def _parameters(options: dict[str, object]) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(Path(str(options["gguf"])))
    parameters.model_alias = {str(options["alias"])}
    parameters.embedding = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = int(str(options["context"]))
    # Ollama #16582: a text longer than the physical batch ended the runner; one batch therefore holds a whole context.
    parameters.n_batch = parameters.n_ubatch = parameters.n_ctx
    # llama.cpp #26282: parallel slots have answered wrong vectors.
    parameters.n_parallel = 1
    parameters.cache_ram_mib = 0
    parameters.endpoint_props = True
    parameters.verbosity = 1
    if (threads := options["threads"]) is not None:
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = int(str(threads))
    return parameters


if __name__ == "__main__":
    main()
