"""Plans of native stacks with the demo model, on free ports."""

from __future__ import annotations

import msgspec

from embedstack.deploy.native import parts
from embedstack.deploy.native.part import PartSpec
from embedstack.deploy.native.parts import PartSurroundings
from embedstack.deploy.places import Places
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.settings import ModelSettings, PortSettings, Settings, WebuiSettings
from embedstack.models import catalog
from embedstack.models.demo.build import DemoFiles
from tests.engines.process import free_port

SECRETS = Secrets("the secret key", "the first password", "the bridge's key", "its administrator's key")
EMBEDDED = PlannedEngine("embedded", True, "no Ollama is here")


def settings(**sections: msgspec.Struct) -> Settings:
    """Free ports, the demo model, no Open WebUI; sections on top."""
    ports = PortSettings(**{field.name: free_port() for field in msgspec.structs.fields(PortSettings)})
    own = {"ports": ports, "model": ModelSettings(id="demo"), "webui": WebuiSettings(enabled=False)}
    return Settings(**{**own, **sections})  # type: ignore[arg-type]


def demo_plan(demo: DemoFiles, wanted: Settings, engine: PlannedEngine = EMBEDDED) -> Plan:
    model = catalog.load().find("demo").model
    name = "demo"
    served = PlannedModel(model, name, "f16", model.context.recommended, demo.sha256, demo.gguf, demo.hf)
    return Plan(wanted, "native", "as asked for", engine, served)


def specs(plan: Plan, places: Places, here: PartSurroundings | None = None) -> tuple[PartSpec, ...]:
    stamp = parts.write_files(plan, SECRETS, places)
    return parts.specs(plan, SECRETS, places, here or PartSurroundings(stamp=stamp))
