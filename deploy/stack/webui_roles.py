"""What of Open WebUI's settings only its environment carries: set by starting it anew, where it differs."""

from __future__ import annotations

from embedstack.deploy.console import Report
from embedstack.deploy.errors import PartNotReady
from embedstack.deploy.native import parts
from embedstack.deploy.stack import webui_process
from embedstack.deploy.state import PartState
from embedstack.deploy.webui import role
from embedstack.deploy.webui.verbs import own as webui_own
from embedstack.deploy.webui.verbs.own import Own


def ensure(own: Own, report: Report) -> bool:
    """Whether it had to be started anew. PartNotReady where it still does not send the role then."""
    if _sent(own, own.running):
        return False
    report.warn(f"Open WebUI runs without {', '.join(role.ENVIRONMENT)} as they should be: it is started anew")
    runner = own.runner(report)
    with report.step("Open WebUI"):
        # Where what runs was started by the same plan, and yet without them, the runner sees nothing to do.
        if not runner.start([parts.WEBUI]):
            runner.restart([parts.WEBUI])
    if not _sent(own, webui_own.part(runner.states())):
        raise PartNotReady(
            "Open WebUI was started anew, and still runs without the settings by which it sends a text's role.",
            "`embedstack down`, then `embedstack up`. Documents and accounts stay.",
        )
    return True


def _sent(own: Own, running: PartState) -> bool:
    """True too where the system does not show its environment: then it is as the stack has started it."""
    environ = webui_process.environment(own.record.stack, own.plan.mode, running)
    return environ is None or role.sent(environ)
