"""The store of vectors that runs already, as the settings name it: its password read from its file."""

from __future__ import annotations

from pathlib import Path

from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.plan import stores
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.plan.stores import Server
from embedstack.deploy.settings import Settings
from embedstack.readers import key_file
from embedstack.readers.content import DamagedFile


def server(settings: Settings, mode: Mode, dimensions: int) -> Server | None:
    """None where Open WebUI needs none, or the stack runs it itself. InvalidSettings."""
    webui = settings.webui
    if not webui.enabled:
        return None
    stores.check(webui.vector_store, dimensions, webui.vector_store_url)
    if webui.vector_store_url is not None:
        key = _read(webui.vector_store_key_file) if webui.vector_store_key_file else None
        return Server(webui.vector_store_url, key, webui.vector_store_grpc_port)
    if mode == "native" and webui.vector_store != "chroma":
        raise InvalidSettings(
            f"webui.vector_store is {webui.vector_store}, which is a server of its own; as processes, the stack starts "
            "none.",
            "Name one that runs in webui.vector_store_url (its password in webui.vector_store_key_file); or take "
            "`--mode docker`, which starts one; or leave webui.vector_store as it is.",
        )
    return None


def _read(path: Path) -> str:
    try:
        key = key_file.read(path)
        if not key.isprintable():
            raise DamagedFile(path, "it is not one line")
    except OSError as error:
        raise InvalidSettings(
            f"webui.vector_store_key_file is {path}, which cannot be read: {error.strerror}.",
            "Name a file that holds the password and nothing else.",
        ) from error
    except DamagedFile as error:
        raise InvalidSettings(
            f"webui.vector_store_key_file: {error}.", "It should hold the password and nothing else."
        ) from None
    return key
