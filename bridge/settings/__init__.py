"""The settings as a table with one row per key, made from the structs of `bridge.settings.structs`.

The loader uses it to read values. The example file, `--print-config` and docs/configuration.md are made from it.
"""

from embedstack.bridge.settings.structs import Settings
from embedstack.configuration.schema import Schema
from embedstack.configuration.setting import Setting

__all__ = ["ENV_PREFIX", "FILE_NAME", "SCHEMA", "Setting", "table"]

ENV_PREFIX = "EMBED_BRIDGE_"
FILE_NAME = "embed-bridge.yaml"
SCHEMA = Schema(Settings, ENV_PREFIX, FILE_NAME)


def table() -> dict[str, Setting]:
    """Every setting by its key, in the order of the structs."""
    return SCHEMA.table
