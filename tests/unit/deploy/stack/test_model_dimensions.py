"""`model.dimensions`: the dimensions in Open WebUI's index."""

from __future__ import annotations

import msgspec
import pytest

from embedstack.bridge.text import names
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.plan.plan import Plan, PlannedEngine, PlannedModel
from embedstack.deploy.settings import Settings
from embedstack.deploy.stack import planning
from embedstack.models import catalog

MODEL = catalog.load().find("qwen3-embedding:4b").model
ENGINE = PlannedEngine("embedded", True, "a test")


def _plan(dimensions: int | None) -> Plan:
    settings = msgspec.convert({"model": {"dimensions": dimensions}}, Settings)
    return Plan(settings, "native", "a test", ENGINE, PlannedModel(MODEL, MODEL.id, "Q4_K_M", 8192))


@pytest.mark.parametrize(
    ("dimensions", "asked", "size"),
    [(None, MODEL.id, 2560), (2560, MODEL.id, 2560), (1024, f"{MODEL.id}@1024", 1024), (32, f"{MODEL.id}@32", 32)],
)
def test_the_name_says_the_size(dimensions: int | None, asked: str, size: int) -> None:
    """Open WebUI sends no size, and the bridge reads it from the name; the model's own needs no word."""
    plan = _plan(dimensions)
    assert (plan.webui_model, plan.dimensions) == (asked, size)
    assert names.parse(plan.webui_model) == names.Alias(MODEL.id, None, None if size == 2560 else size)


@pytest.mark.parametrize("dimensions", [2561, 4096])
def test_more_than_the_model_has_is_refused(dimensions: int) -> None:
    """With what it can give."""
    plan = _plan(dimensions)
    with pytest.raises(InvalidSettings, match=rf"model\.dimensions is {dimensions}, .* can give 32 to 2560"):
        planning.check_dimensions(plan.settings, plan.served)


@pytest.mark.parametrize("dimensions", [0, 31])
def test_less_than_the_least_is_refused(dimensions: int) -> None:
    """As the setting is read."""
    with pytest.raises(msgspec.ValidationError, match="32"):
        _plan(dimensions)
