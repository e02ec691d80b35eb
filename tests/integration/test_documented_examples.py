"""What docs/api.md shows is what the bridge answers, and what docs/clients.md has people write marks queries alone.

Chroma's example is run where chromadb is installed: in Open WebUI's environment, by tests/e2e/test_vector_stores.py.
"""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import requests

from tests.api_docs import quoted, rows
from tests.bridge_process import Bridge
from tests.client_docs import EXAMPLES, OTHERS, SERVED, Want, runnable, section, wants
from tests.e2e.postgres import postgres
from tests.integration.clients.texts import QUESTION, same
from tests.paths import ROOT

DOCS = ROOT / "docs" / "api.md"
INSTRUCTIONS = {quoted(task)[0]: words for task, _, words in rows("task", "goes before", "instruction")}


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
    assert checks | only_sometimes == set(re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE))


def test_examples_are_short() -> None:
    """Fifteen lines at most, without those that are empty: what is longer is not copied."""
    assert [example for example in EXAMPLES if len([line for line in example.splitlines() if line]) > 15] == []


def test_clients_mark_queries_alone(bridge: Bridge) -> None:
    """Run as they stand, but for model and addresses: documents stay as they are, and queries are marked."""
    last = trace(bridge, after=0)["next"]

    with postgres() as database:
        code = runnable(OTHERS, bridge.url, database.url)
        # A process of their own: most of these classes have no way to close their connections.
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stderr
    records = trace(bridge, after=last)["records"]
    assert {record["status"] for record in records} == {200}
    assert [record["role"] for record in records] == ["document", "query"] * len(OTHERS)
    assert run.stdout.count("annual leave") == code.count("found = ")


@pytest.mark.parametrize("want", wants(), ids=lambda want: want.what)
@pytest.mark.parametrize("path", ["/api/embed", "/v1/embeddings"])
def test_what_is_wanted_and_set(bridge: Bridge, want: Want, path: str) -> None:
    """Each row of the table: the fields put the instruction of docs/api.md before a text, and so does the name."""
    for fields in (want.query, want.searched):
        (task,) = fields.values()
        prompt = f"Instruct: {INSTRUCTIONS[task]}\nQuery:" if task != "document" else ""
        right = bridge.embed(prompt + QUESTION, input_type="document")
        assert same(_embedded(bridge, path, SERVED, **fields), right)
        if fields == want.query:
            assert same(_embedded(bridge, path, want.name), right)


def test_what_is_wanted_in_own_words(bridge: Bridge) -> None:
    """The request that the text under the table shows."""
    (fields,) = re.findall(r"`(\{\"instruction\".*?\})`", section("I want to find", level=2))
    instruction = json.loads(fields)["instruction"]

    answered = _embedded(bridge, "/v1/embeddings", SERVED, instruction=instruction)

    assert same(answered, bridge.embed(f"Instruct: {instruction}\nQuery:{QUESTION}", input_type="document"))


def _embedded(bridge: Bridge, path: str, model: str, **fields: str) -> list[list[float]]:
    """QUESTION, with these fields."""
    answer = bridge.post(path, {"model": model, "input": [QUESTION], **fields})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    return said["embeddings"] if "embeddings" in said else [one["embedding"] for one in said["data"]]


def trace(bridge: Bridge, *, after: int) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(f"{bridge.url}/v1/trace?after={after}", timeout=60).json()
    return answer
