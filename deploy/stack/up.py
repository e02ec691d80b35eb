"""`embedstack up`: the stack, from nothing to a proof."""

import msgspec

from embedstack.deploy.config import Loaded
from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidSettings, PartNotReady
from embedstack.deploy.native import client
from embedstack.deploy.places import places
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import bring_up
from embedstack.deploy.stack.result import Planned, Up


def plan(loaded: Loaded, report: Report, *, reindex: bool = False, foreground: bool = False) -> Planned:
    """What would be done; nothing is. Raises all that `up` would before it begins."""
    settings = _in_foreground(loaded.settings) if foreground else loaded.settings
    if foreground:
        client.ensure_free(places(settings.stack.name))
    return bring_up.plan(settings, report, reindex=reindex)


def up(loaded: Loaded, report: Report, *, reindex: bool = False) -> Up:
    """Every step that is not done yet. What stops it is raised, and the next `up` goes on from there. `reindex`: what
    Open WebUI has indexed is embedded anew where it must be.
    """
    return bring_up.carry_out(bring_up.begin(loaded.settings, loaded.remember, report, reindex=reindex))


def stay(loaded: Loaded, report: Report, *, reindex: bool = False) -> None:
    """The same in the foreground, as systemd wants it: what was started ends with this process, and the other way.

    InvalidSettings with Docker, whose daemon keeps containers by itself.
    """
    native = _in_foreground(loaded.settings)
    where = places(native.stack.name)
    client.ensure_free(where)
    try:
        begun = bring_up.begin(native, loaded.remember, report, reindex=reindex)
        with client.attached_supervisor(where) as supervisor:
            report.show(bring_up.carry_out(begun))
            status = supervisor.wait()
    except KeyboardInterrupt:
        return  # as it is meant to end
    if status:  # 0: it was told to end, as by `embedstack down`
        raise PartNotReady(
            f"The stack's supervisor ended with status {status}.", "`embedstack logs` has what its parts wrote."
        )


def _in_foreground(settings: Settings) -> Settings:
    if settings.stack.mode == "docker":
        raise InvalidSettings(
            "--foreground is for the native mode; Docker restarts its containers by itself.", "Leave it out."
        )
    return msgspec.structs.replace(settings, stack=msgspec.structs.replace(settings.stack, mode="native"))
