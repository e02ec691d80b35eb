"""llama.cpp in a process of its own: `python -P -m embedstack.bridge.backends.llama_child '{"gguf": …}'`.

Where and for whom it serves stands in the first line of its standard input, as `Access`: a command line can be read by
everybody. It serves OpenAI's API there, prints one line of JSON with its address when the model is loaded, and ends,
with its socket, when its standard input closes: a bridge that is killed leaves no engine behind.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

import xllamacpp

Options = dict[str, object]
# `socket`: the path to listen at; `key` and `prefix`: what every request has to bear, and what its path begins with.
Access = dict[str, str]


def main() -> None:
    options: Options = json.loads(sys.argv[1])
    access: Access = json.loads(sys.stdin.buffer.readline())
    try:
        serve(closed_to_others(parameters(options), access))
    finally:
        _clean_up(Path(access["socket"]))
    # llama.cpp's own shutdown waits for requests in flight; the parent has gone, so nobody waits for them.
    os._exit(0)


def serve(wanted: xllamacpp.CommonParams) -> None:
    """Until standard input closes."""
    server = xllamacpp.Server(wanted)
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def closed_to_others(wanted: xllamacpp.CommonParams, access: Access) -> xllamacpp.CommonParams:
    """On no network: at a socket that this user alone may open, and behind a key for this user's other programs.
    llama.cpp's health and web page ask for no key: the prefix hides them.
    """
    os.umask(0o177)
    wanted.hostnames = [access["socket"]]
    wanted.api_keys = [access["key"]]
    wanted.api_prefix = access["prefix"]
    wanted.ui = wanted.endpoint_props = wanted.endpoint_slots = wanted.endpoint_metrics = False
    return wanted


def parameters(options: Options) -> xllamacpp.CommonParams:
    """How the model is loaded and used; not where it serves."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(Path(str(options["gguf"])))
    wanted.model_alias = {str(options["alias"])}
    wanted.embedding = True
    wanted.n_ctx = int(str(options["context"]))
    # One batch holds a whole context: runners have ended (Ollama #16582).
    wanted.n_batch = wanted.n_ubatch = wanted.n_ctx
    # llama.cpp #26282: parallel slots have answered wrong vectors.
    wanted.n_parallel = 1
    wanted.cache_ram_mib = 0
    wanted.verbosity = 1
    if (threads := options["threads"]) is not None:
        wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = int(str(threads))
    return wanted


def _clean_up(socket: Path) -> None:
    with contextlib.suppress(OSError):
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()


if __name__ == "__main__":
    main()
