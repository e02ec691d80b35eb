"""What docs/api.md shows is what the bridge answers."""

import json
import re
from pathlib import Path

from tests.bridge_process import Bridge

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_render(bridge: Bridge) -> None:
    """The documented request to /v1/render has the documented answer, and the table under it names its fields."""
    section = DOCS.read_text(encoding="utf-8").split("## What would a request become")[1].split("\n## ")[0]
    request, answer = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL))
    table = section.split("| field | meaning |")[1]

    assert bridge.post("/v1/render", request).json() == answer
    for name in (*answer, *answer["texts"][0]):
        assert f"`{name}`" in table or name == "text"


def test_readyz(bridge: Bridge) -> None:
    """What /readyz has is named in its section, each check in the table."""
    section = DOCS.read_text(encoding="utf-8").split("## Is it ready")[1].split("\n## ")[0]
    ready = bridge.ready()
    checks = {re.sub(r" at \d+$", " at 2560", check["check"]) for check in ready["backends"][0]["checks"]}

    for name in (*ready, "name", "reason", "next", "checks"):
        assert f"`{name}`" in section
    assert {"name", "reason", "next", "checks"} <= set(ready["backends"][0])
    only_sometimes = {"answer", "reference", "calls at once", "stored vectors", "precision"}
    assert checks == set(re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)) - only_sometimes
