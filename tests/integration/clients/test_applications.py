"""The requests of Dify, AnythingLLM, RAGFlow, n8n, Cherry Studio, Continue and Roo Code, and their page in the docs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import yaml

from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start
from tests.client_docs import MODEL, SERVED, section
from tests.integration.clients.texts import same

APPLICATIONS = yaml.safe_load(Path(__file__).with_name("applications.yaml").read_text(encoding="utf-8"))
NAMES = [one["application"] for one in APPLICATIONS]
REQUESTS = [
    pytest.param(request, id=f"{one['application']}: {request['does']}")
    for one in APPLICATIONS
    for request in one["requests"]
]


def _sent(bridge: Bridge, request: dict[str, Any]) -> Any:
    """What comes back of a request that is sent as it was recorded, but for the model's name, with the headers due."""
    method, path = request["send"].split(" ")
    body = request.get("body", "").replace(MODEL, SERVED).encode()
    where = urlsplit(bridge.url)
    connection = HTTPConnection(str(where.hostname), where.port, timeout=120)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in request["headers"].items():
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    assert {name: answer.getheader(name) for name in request.get("says", {})} == request.get("says", {})
    return json.loads(text) if answer.getheader("Content-Type", "").startswith("application/json") else text


def _read(answer: Any, path: str) -> Iterator[Any]:
    """What stands at `data.*.embedding`."""
    first, _, rest = path.partition(".")
    assert first == "*" or first in answer, f"{first} is not in {str(answer)[:200]}"
    for found in answer if first == "*" else [answer[first]]:
        yield from _read(found, rest) if rest else [found]


def _vectors(answer: Any, path: str) -> list[Any]:
    """As its client decodes them: base64 is float32, little-endian."""
    return [np.frombuffer(base64.b64decode(one), "<f4") if isinstance(one, str) else one for one in _read(answer, path)]


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_application_gets_what_it_reads(bridge: Bridge, request_: dict[str, Any]) -> None:
    """Each request is answered, every field that the application reads is there, and the vectors are the right ones."""
    answer = _sent(bridge, request_)

    reads = request_.get("reads", [])
    for path in reads:
        assert list(_read(answer, path)), path
    if means := request_.get("means"):
        body = json.loads(request_["body"])
        named = re.search(r"@.*?(\d+)$", body["model"])
        size = body.get("dimensions") or (int(named[1]) if named else 2560)
        right = bridge.embed(*means, input_type="document", dimensions=size)
        assert same(_vectors(answer, reads[0]), right)


@pytest.mark.parametrize("request_", [one for one in REQUESTS if "fails" in one.values[0]])  # type: ignore[operator]
def test_an_application_that_cannot_use_what_it_asks_for(bridge: Bridge, request_: dict[str, Any]) -> None:
    """AnythingLLM's LM Studio names base64 itself, so that its library does not decode it: the docs say it fails."""
    (embedding,) = _read(_sent(bridge, request_), request_["reads"][0])

    assert isinstance(embedding, str)
    assert "*LM Studio* fails" in section("AnythingLLM")


@pytest.mark.parametrize("request_", [one for one in REQUESTS if "finds" in one.values[0]])  # type: ignore[operator]
def test_an_application_finds_its_model(bridge: Bridge, request_: dict[str, Any]) -> None:
    """Under the name that is set in it; each takes `:latest` behind it for the same."""
    listed = {str(name).removesuffix(":latest") for name in _read(_sent(bridge, request_), request_["reads"][0])}

    assert {name.replace(MODEL, SERVED) for name in request_["finds"]} <= listed


def test_a_window_of_an_application_is_let_in_by_its_origin() -> None:
    """Electron and VS Code ask from pages, of origins that no web page can have: what the 403 names is what to set."""
    origins = ["file://", "app://obsidian.md", "vscode-webview://1f2e", "tauri://localhost"]
    with start("--demo", "--set", f"security.allowed_origins={json.dumps(origins)}", wait_ready=False) as running:
        asked = [requests.get(f"{running.url}/v1/models", headers={"Origin": one}, timeout=60) for one in origins]

        assert [answer.status_code for answer in asked] == [200] * len(origins)
        assert [answer.headers["Access-Control-Allow-Origin"] for answer in asked] == origins


@pytest.mark.parametrize("application", APPLICATIONS, ids=NAMES)
def test_an_application_is_documented_as_it_was_read(application: dict[str, Any]) -> None:
    """Its section is of five lines, with the version that was read, and addresses that the recorded requests go to."""
    text = section(application["application"])
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    addresses = re.findall(r"http://localhost:11435([^`]*)`", text)

    assert len(lines) == 5
    for version in re.findall(r"\d+\.\d+\.\d+", application["version"]):
        assert version in text
    paths = [one["send"].split(" ")[1] for one in application["requests"] if "means" in one]
    assert addresses
    assert all(any(path.startswith(address or "/api/") for path in paths) for address in addresses)
    assert MODEL in text
