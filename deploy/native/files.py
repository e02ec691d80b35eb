"""What the parts of a native stack read besides their variables."""

import hashlib
from importlib import metadata

from embedstack.deploy.errors import FolderNotUsable, InvalidSettings
from embedstack.deploy.native import parts
from embedstack.deploy.places import Places
from embedstack.deploy.plan.environment import WebuiSecrets
from embedstack.deploy.plan.plan import Plan
from embedstack.host import files


def write(plan: Plan, secrets: WebuiSecrets, places: Places) -> str:
    """Write it, 0600, and return its stamp: another one when the bridge has to be started anew to read it again.

    FolderNotUsable, InvalidSettings where bridge.config cannot be read.
    """
    try:
        places.create()
        parts.webui_data(places).mkdir(mode=0o700, exist_ok=True)
        files.write(parts.key_file(places), secrets.bridge_key.encode() if plan.keyed else b"")
        files.write(parts.admin_key_file(places), secrets.bridge_admin_key.encode())
        if plan.settings.bridge.config is None:
            files.write(parts.bridge_config(plan, places), b"")
    except OSError as error:
        raise FolderNotUsable(
            f"{places.root} cannot be used: {error.strerror}.", "Set EMBEDSTACK_HOME to a folder that you may write to."
        ) from error
    return _stamp(plan, secrets, places)


def _stamp(plan: Plan, secrets: WebuiSecrets, places: Places) -> str:
    config = parts.bridge_config(plan, places)
    try:
        read = config.read_bytes()
    except OSError as error:
        raise InvalidSettings(
            f"bridge.config is {config}, which cannot be read: {error.strerror}.", "Name a file that is there."
        ) from error
    key = secrets.bridge_key.encode() if plan.keyed else b""
    digest = hashlib.sha256(b"\0".join((read, key, secrets.bridge_admin_key.encode()))).hexdigest()
    return f"{metadata.version('embedstack')} {digest}"
