"""An Open WebUI of somebody else's: what it should be set to, and the bridge that both it and we ask."""

from __future__ import annotations

from dataclasses import dataclass

from embedstack.deploy import record
from embedstack.deploy import secrets as stack_secrets
from embedstack.deploy.bridge_client import BridgeApi
from embedstack.deploy.errors import NotRunning, WebuiRefused
from embedstack.deploy.places import places
from embedstack.deploy.plan import decide
from embedstack.deploy.plan.plan import name_in_engine
from embedstack.deploy.secrets import Secrets
from embedstack.deploy.settings import Settings
from embedstack.deploy.webui.client import Webui
from embedstack.deploy.webui.settings import put
from embedstack.deploy.webui.verbs.elsewhere import Elsewhere
from embedstack.host.addresses import LOOPBACK


@dataclass(frozen=True)
class WantedSettings:
    """`must` as the update takes it; `here`, `admin_key`: the bridge for us."""

    must: dict[str, object]
    model: str
    here: str
    admin_key: str | None

    def bridge(self) -> BridgeApi:
        return BridgeApi(self.here, self.admin_key)


def find(settings: Settings, there: Elsewhere) -> WantedSettings:
    """From the settings, the stack's own bridge and its keys where no other is named. InvalidModel."""
    own = f"http://{LOOPBACK}:{settings.ports.bridge}"
    here = there.bridge_here or there.bridge or own
    known = _secrets(settings) if here == own else None
    keyed = settings.stack.expose == "all" and known is not None
    key = there.bridge_key or (known.bridge_key if known and keyed else "")
    model, pace = _model(settings), settings.webui
    must = put.fields(model, there.bridge or own, key, batch=pace.batch, concurrency=pace.concurrency)
    return WantedSettings(must, model, here, there.admin_key or (known.bridge_admin_key if known else None))


def signed_in(webui: Webui, there: Elsewhere) -> None:
    """WebuiRefused unless the token is an administrator's."""
    webui.use_token(there.token)
    try:
        role = webui.role()
    except WebuiRefused as error:
        raise WebuiRefused(
            f"{error.message} The token is not, or no longer, one of its own.",
            "Sign in there as an administrator and take a new one into EMBEDSTACK_WEBUI_TOKEN.",
        ) from error
    if role != "admin":
        raise WebuiRefused(
            f"The token for {there.url} is that of a {role or 'nobody'}: its settings are an administrator's.",
            "Take the token of an administrator.",
        )


def _model(settings: Settings) -> str:
    """The name that the stack's own bridge serves it by, where there is one; else as Ollama calls it."""
    try:
        name = record.read(places(settings.stack.name)).model
    except NotRunning:
        chosen = decide.model(settings)
        name = name_in_engine(chosen.model, chosen.file)
    size = settings.model.dimensions
    return f"{name}@{size}" if size else name


def _secrets(settings: Settings) -> Secrets | None:
    try:
        return stack_secrets.read(places(settings.stack.name), lambda _: None)
    except NotRunning:
        return None
