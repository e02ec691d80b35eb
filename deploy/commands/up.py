"""`embedstack up`: the stack, from nothing to a proof."""

from msgspec.structs import replace

from deploy.console import Report
from deploy.errors import InvalidSettings, PartNotReady
from deploy.native import client
from deploy.places import places
from deploy.settings import Settings
from deploy.stack import bring_up
from deploy.stack.result import Planned, Up


def plan(settings: Settings, report: Report) -> Planned:
    """What would be done; nothing is."""
    return bring_up.plan(settings, report)


def up(settings: Settings, report: Report, *, reindex: bool = False) -> Up:
    """Every step that is not done yet. What stops it is raised, and the next `up` goes on from there. `reindex`: what
    Open WebUI has indexed is embedded anew where it must be.
    """
    return bring_up.up(settings, report, reindex=reindex)


def stay(settings: Settings, report: Report, *, reindex: bool = False) -> None:
    """The same in the foreground, as systemd wants it: what was started ends with this process, and the other way.

    InvalidSettings with Docker, whose daemon keeps containers by itself.
    """
    if settings.stack.mode == "docker":
        raise InvalidSettings(
            "--foreground is for the native mode; Docker restarts its containers by itself.", "Leave it out."
        )
    native = replace(settings, stack=replace(settings.stack, mode="native"))
    try:
        with client.attached_supervisor(places(settings.stack.name)) as supervisor:
            report.show(bring_up.up(native, report, reindex=reindex))
            status = supervisor.wait()
    except KeyboardInterrupt:
        return  # as it is meant to end
    if status:  # 0: it was told to end, as by `embedstack down`
        raise PartNotReady(
            f"The stack's supervisor ended with status {status}.", "`embedstack logs` has what its parts wrote."
        )
