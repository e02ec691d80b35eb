"""What `up` writes for Compose: variables and environments, in a folder that only its user may enter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from embedstack.deploy.docker import compose, variables
from embedstack.deploy.docker.argv import Project
from embedstack.deploy.docker.compose import Gpu
from embedstack.deploy.docker.variables import GIVEN, ContainerHost
from embedstack.deploy.errors import FolderNotUsable, InvalidSettings
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan
from embedstack.host import files

SECRET = 0o600
# What is mounted into the bridge is read by a user without a name here. The folder above it, 0700, keeps others out.
MOUNTED = 0o444


@dataclass(frozen=True)
class Hidden:
    """Stands in for secrets where they must not be seen."""

    webui_secret_key: str = "(secret)"  # noqa: S105 -- and that it is not
    webui_admin_password: str = "(secret)"  # noqa: S105
    bridge_key: str = "(secret)"
    bridge_admin_key: str = "(secret)"


def hidden(plan: Plan) -> Plan:
    """The same plan without the one secret that is in it."""
    return replace(plan, store=replace(plan.store, key=plan.store.key and "(secret)")) if plan.store else plan


def write(plan: Plan, secrets: WebuiSecrets, folder: Path, gpu: Gpu | None, machine: ContainerHost) -> Project:
    """The project of this plan, everything it reads written to `folder`; what has not changed is left alone.

    FolderNotUsable, InvalidSettings.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, text in _environments(plan, secrets, machine).items():
            _replace(folder / name, text.encode(), SECRET)
        given = _given(plan, secrets)
        for name, content in given.items():
            _replace(folder / name, content, MOUNTED)
        own = folder / "compose.own.json"
        _replace(own, json.dumps(_own(plan, folder, given), indent=2).encode(), SECRET)
        environment = folder / "compose.env"
        _replace(environment, variables.dotenv(variables.compose(plan, folder, machine)).encode(), SECRET)
    except OSError as error:
        raise FolderNotUsable(
            f"{folder} cannot be written: {error.strerror}.", "Name another folder in EMBEDSTACK_HOME."
        ) from error
    layers = compose.compose_files(compose.overlays(plan, gpu))
    return Project(plan.settings.stack.name, (*layers, own), environment)


def _environments(plan: Plan, secrets: WebuiSecrets, machine: ContainerHost) -> dict[str, str]:
    wanted = {"bridge.env": variables.bridge(plan, machine), "webui.env": variables.webui(plan, secrets)}
    if plan.beside:
        wanted["bridge-bf16.env"] = variables.bridge_bf16(plan, plan.beside, machine)
    if plan.own_store == "pgvector":
        wanted["pgvector.env"] = variables.pgvector(secrets)
    return {name: variables.dotenv(values) for name, values in wanted.items()}


def _given(plan: Plan, secrets: WebuiSecrets) -> dict[str, bytes]:
    """Files that a bridge reads inside its container, by name."""
    of_the_user = {"catalog.yaml": plan.settings.model.catalog, "embed-bridge.yaml": plan.settings.bridge.config}
    found = {name: _read(path) for name, path in of_the_user.items() if path}
    keys = {"bridge.key": secrets.bridge_key} if plan.keyed else {}
    keys["bridge-admin.key"] = secrets.bridge_admin_key
    return {**found, **{name: key.encode() for name, key in keys.items()}}


def _own(plan: Plan, folder: Path, given: Mapping[str, bytes]) -> dict[str, object]:
    """The last overlay: the files given to the bridges of this stack."""
    part: dict[str, object] = {"volumes": [f"{folder / name}:{GIVEN}/{name}:ro" for name in given]}
    if "embed-bridge.yaml" in given:
        part["environment"] = {"EMBED_BRIDGE_CONFIG": f"{GIVEN}/embed-bridge.yaml"}
    names = ("bridge", "bridge-bf16") if plan.beside else ("bridge",)
    return {"services": dict.fromkeys(names, part)}


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}.", "Put the path right.") from error


def _replace(path: Path, content: bytes, mode: int) -> None:
    """A file that is mounted into a container must stay the same file: only a changed one is replaced."""
    if not path.is_file() or path.read_bytes() != content:
        files.write(path, content, mode)
