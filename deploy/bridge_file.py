"""An embed-bridge.yaml of the user's, held against what the stack sets on top of it, before any bridge reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.plan.plan import Engine
from embedstack.readers import yaml_file
from embedstack.readers.content import DamagedFile

ENGINE = "which engines there are is for the stack to say: engine.url and engine.kind of the stack's own settings"
ADMIN = "the stack has made a key, which `embedstack config secrets` prints"


def check(file: Path | None, engine: Engine) -> None:
    """InvalidSettings for a file that cannot be read, or has what a bridge refuses beside what the stack sets."""
    if file is None:
        return
    # Of engine.gguf and engine.url the stack sets the one that its engine has; the bridge refuses both at once.
    other = "url" if engine.kind == "embedded" else "gguf"
    refused = {("security", "admin_key"): ADMIN, ("pool", "upstreams"): ENGINE, ("engine", other): ENGINE}
    document = _document(file)
    for (section, key), why in refused.items():
        if _said(document, section, key):
            raise InvalidSettings(
                f"{file}, which bridge.config names, sets {section}.{key}: {why}.", f"Take {section}.{key} out of it."
            )


def _document(file: Path) -> Any:
    try:
        return yaml_file.read(file)
    except OSError as error:
        raise InvalidSettings(f"{file} cannot be read: {error.strerror}.", "Put bridge.config right.") from error
    except DamagedFile as error:
        raise InvalidSettings(
            f"{file}, which bridge.config names, is not YAML: {error.detail}.", "Correct it."
        ) from error


def _said(document: Any, section: str, key: str) -> bool:
    """A file of another shape is for the bridge to refuse, which knows what is allowed."""
    keys = document.get(section) if isinstance(document, dict) else None
    return isinstance(keys, dict) and bool(keys.get(key))
