"""What Open WebUI's environment needs besides for a store of vectors: at the versions that Open WebUI itself pins."""

import re
from collections.abc import Sequence
from pathlib import Path

from embedstack.deploy.plan.stores import PACKAGES, Store
from embedstack.host import processes


def packages(folder: Path, store: Store) -> tuple[str, ...]:
    """Requirements for pip, as `pgvector==0.4.2`; `folder` is the environment."""
    found = sorted(folder.glob("lib/python3*/site-packages/open_webui-*.dist-info/METADATA"))
    text = found[0].read_text(encoding="utf-8", errors="replace") if found else ""
    return pinned(text, PACKAGES[store])


def pinned(metadata: str, names: Sequence[str]) -> tuple[str, ...]:
    """Each name with the version that its extra `all` has; the name alone where it has none. Pure."""
    pins = dict(re.findall(r"^Requires-Dist: ([\w.-]+)==([\w.]+);", metadata, re.MULTILINE))
    return tuple(f"{name}=={pins[name]}" if name in pins else name for name in names)


def command(python: Path, uv: Path | None, version: str, wanted: Sequence[str]) -> list[str]:
    """What adds them. Open WebUI is named too, so that none of its own pins gives way."""
    named = (f"open-webui=={version}", *wanted)
    if uv is not None:
        return [str(uv), "pip", "install", "--python", str(python), *named]
    return processes.command("-m", "pip", "install", "--progress-bar", "off", *named, program=python)
