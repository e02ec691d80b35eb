"""LiteLLM's proxy, from PyPI into an environment of its own in the cache, before an OpenAI-shaped engine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

from benchmarks.missing import MissingError
from embedstack.host import processes

# What was measured: another version has other figures.
VERSION = "1.108.7"
ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_TELEMETRY": "False",
    # Without keys, as everything here: on loopback, and one thing less for it to do.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks GitHub for a price list when it starts
}
_CONFIG = """\
model_list:
  - model_name: demo
    litellm_params:
      model: hosted_vllm/demo
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
"""


def install() -> Path:
    """The `litellm` program; a few minutes and 750 MB the first time. MissingError where it cannot be installed."""
    root = Path(os.environ.get("EMBEDSTACK_CACHE") or platformdirs.user_cache_dir("embedstack"))
    folder = root / "benchmarks" / f"litellm-{VERSION}"
    stamp = folder / "installed"
    if not stamp.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.write(f"installing LiteLLM {VERSION} into {folder} (once, a few minutes)\n")
        _run(*processes.command("-m", "venv", str(folder)))
        _run(str(folder / "bin" / "pip"), "install", "--quiet", f"litellm[proxy]=={VERSION}")
        stamp.touch()
    return folder / "bin" / "litellm"


def command(program: Path, config: Path, *, port: int, upstream: int) -> list[str]:
    """One worker, as everything here has one core. `config` is written."""
    config.write_text(_CONFIG.format(upstream=upstream))
    address = ("--host", "127.0.0.1", "--port", str(port))
    return [str(program), "--config", str(config), *address, "--num_workers", "1"]


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 -- venv and its pip
    if done.returncode:
        raise MissingError(f"LiteLLM {VERSION} could not be installed: {' '.join(argv)}: {done.stderr.strip()[-500:]}")
