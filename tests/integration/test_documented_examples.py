"""What docs/api.md shows is what the bridge answers, and what docs/clients.md has people write marks queries alone."""

import json
import re
import subprocess
import sys
from typing import Any

import requests

from tests.bridge_process import Bridge
from tests.paths import ROOT

DOCS = ROOT / "docs" / "api.md"
CLIENTS = DOCS.with_name("clients.md")
EXAMPLES = re.findall(r"```python\n(.*?)```", CLIENTS.read_text(encoding="utf-8"), flags=re.DOTALL)


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


def test_clients_mark_queries_alone(bridge: Bridge) -> None:
    """Run as they stand, but for model and address: documents stay as they are, and each question is a query."""
    last = trace(bridge, after=0)["next"]
    shown = "print(*(str(one) for one in globals().pop('found', ())))\n"  # each finds the text on leave
    code = "".join(example + shown for example in EXAMPLES)
    code = code.replace("qwen3-embedding:4b", "demo").replace("http://localhost:11435", bridge.url)

    # A process of their own: most of these classes have no way to close their connections.
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stderr
    records = trace(bridge, after=last)["records"]
    assert {record["status"] for record in records} == {200}
    assert [record["role"] for record in records] == ["document", "query"] * 5
    assert run.stdout.count("annual leave") == code.count("found = ")


def trace(bridge: Bridge, *, after: int) -> dict[str, Any]:
    told: dict[str, Any] = requests.get(f"{bridge.url}/v1/trace?after={after}", timeout=60).json()
    return told
