"""What `up` last made of a stack: how the other verbs know where to look. Kept beside its data, 0600."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass

import msgspec

from embedstack.deploy.errors import FileDamaged, FolderNotUsable, NotRunning
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Mode, Plan
from embedstack.host import files
from embedstack.readers import json_file
from embedstack.readers.content import DamagedFile


@dataclass(frozen=True)
class Record:
    """A stack as it was last brought up. No secret is in it. `proved`: its smoke test has passed since."""

    stack: str
    mode: Mode
    model: str
    precision: str
    dimensions: int
    engine: str
    managed: bool
    ollama_url: str | None
    bridge_url: str
    webui_url: str | None
    beside: str | None = None
    proved: bool = False


def of(plan: Plan) -> Record:
    return Record(
        stack=plan.settings.stack.name,
        mode=plan.mode,
        model=plan.served.name,
        precision=plan.served.precision,
        dimensions=plan.dimensions,
        engine=plan.engine.kind,
        managed=plan.engine.managed,
        ollama_url=plan.ollama_url,
        bridge_url=plan.bridge_url,
        webui_url=plan.webui_url if plan.settings.webui.enabled else None,
        beside=plan.beside.name if plan.beside else None,
    )


def write(places: Places, record: Record) -> None:
    """FolderNotUsable where the stack's folder cannot be written."""
    with suppress(OSError):
        json_file.read_again(places.plan, Record, "it is written again")
    try:
        files.write(places.create().plan, msgspec.json.format(msgspec.json.encode(asdict(record))))
    except OSError as error:
        raise FolderNotUsable(
            f"{places.root} cannot be written: {error.strerror}.", "Name another folder in EMBEDSTACK_HOME."
        ) from error


def read(places: Places) -> Record:
    """NotRunning where no stack of that name was ever brought up here, FileDamaged, FolderNotUsable."""
    try:
        return json_file.read(places.plan, Record)
    except FileNotFoundError as error:
        raise NotRunning(
            f"There is no stack {places.root.name!r} on this machine.", "`embedstack up` brings one up."
        ) from error
    except OSError as error:
        raise FolderNotUsable(
            f"{places.plan} cannot be read: {error.strerror}.",
            "Make it yours, or name another folder in EMBEDSTACK_HOME.",
        ) from error
    except DamagedFile as error:
        raise FileDamaged(
            f"{places.plan}, which says how the stack was brought up, is damaged: {error.detail}.",
            "`embedstack up` puts it aside and writes it again; then every other verb works.",
        ) from error
