"""`embedstack config compose`: the one Compose file that comes of all layers."""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text

from embedstack.deploy.console import Report
from embedstack.deploy.docker import daemon as daemons
from embedstack.deploy.docker.daemon import Daemon
from embedstack.deploy.docker.runner import PlannedContainers
from embedstack.deploy.docker.variables import machine
from embedstack.deploy.docker.written import Hidden
from embedstack.deploy.places import Places, places
from embedstack.deploy.plan.plan import Plan
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import planning


@dataclass(frozen=True)
class ConfigCompose:
    """The file, as YAML. In place of every secret it says that there is one."""

    stack: str
    compose: str
    verbatim: ClassVar = True

    def __rich__(self) -> Text:
        return Text(self.compose.rstrip(), no_wrap=True, overflow="ignore")


def compose(settings: Settings, report: Report) -> ConfigCompose:
    """The same from the settings alone: files that are not fetched yet stand in it by their names."""
    where = places(settings.stack.name)
    looked = planning.look(settings, where, report)
    return config_compose(planning.make(settings, looked, report.warn), where, looked.daemon or daemons.look(), report)


def config_compose(plan: Plan, places: Places, daemon: Daemon, report: Report) -> ConfigCompose:
    """What `up --mode docker` would have Compose run. Needs the Compose plugin, and no daemon. CommandFailed."""
    name = plan.settings.stack.name
    containers = PlannedContainers(name, report, plan, Hidden(), places, daemon.gpu, machine(daemon.groups))
    return ConfigCompose(name, containers.config())
