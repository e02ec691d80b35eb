"""The flags of `embed-bridge`: names and help."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from embedstack.bridge.settings import ENV_PREFIX, FILE_NAME
from embedstack.configuration.layers import ConfigError

_EPILOG = f"""\
examples:
  embed-bridge --demo                                    try it: no model and no engine needed
  embed-bridge --gguf Qwen3-Embedding-4B-Q4_K_M.gguf     llama.cpp inside the bridge
  embed-bridge --upstream http://localhost:11434         in front of Ollama, vLLM or llama-server
  embed-bridge --set model.precision=Q8_0 --print-config

Every other setting: --set KEY=VALUE, {ENV_PREFIX}SECTION_KEY in the environment, or {FILE_NAME};
--print-config lists the keys, embed-bridge.example.yaml and docs/configuration.md explain them.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The flags; ConfigError for one that is not known or not complete. `--help` prints and exits."""
    flags = _parser().parse_args(argv)
    if flags.json and not flags.print_config:
        raise ConfigError("--json: goes with --print-config")
    return flags


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="embed-bridge",
        description="The right Qwen3 embeddings, on Ollama's and OpenAI's API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--demo", action="store_true", help="the embedded engine with the stand-in model `demo`")
    engine.add_argument("--gguf", metavar="PATH", help="the embedded engine with this model file")
    engine.add_argument("--upstream", metavar="URL", help="an Ollama, vLLM or llama-server that is running")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where to listen (default: 127.0.0.1:11435)")
    parser.add_argument(
        "--config", metavar="FILE", help=f"configuration file (default: ./{FILE_NAME}, then the user's)"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="any setting; may be repeated")
    parser.add_argument("--print-config", action="store_true", help="show each setting, its value and its source")
    parser.add_argument("--json", action="store_true", help="with --print-config: as JSON")
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser
