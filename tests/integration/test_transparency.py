"""A request that names no role gets from the bridge what Ollama itself would answer; test_deviations has the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import requests

from tests.integration.beside import Beside, error_of, fields, vectors_of
from tests.stacks import Stacks
from tests.upstreams.load import wait_until

pytestmark = pytest.mark.needs("ollama")

TEXTS = [
    "annual leave",
    "公司年假政策有哪些?",
    "",
    "def f(x):\n\treturn x  # Å",
    "👩‍👩‍👧 한국어 日本語",
    "<|endoftext|> and <|im_start|>",
    "Instruct: Find the answer\nQuery:annual leave",
    "a\x00b",
    " \r\n ",
]

# What every answer says of itself; a header that tells of a deviation (something cut or ignored) is none of these.
ADDED = {"x-embed-cache", "x-embed-fingerprint"}


@pytest.fixture(scope="module")
def beside(stacks: Stacks) -> Beside:
    return Beside(stacks.upstream("ollama").url, stacks["ollama"].bridge.url)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"input": "annual leave"}, id="string"),
        pytest.param({"input": TEXTS}, id="list"),
        pytest.param({"input": [""]}, id="one empty text"),
        pytest.param({"input": [f"text {number}" for number in range(70)]}, id="more than one engine call"),
        pytest.param({"input": "x", "model": "demo:latest"}, id="tag"),
        pytest.param({"input": "x", "model": "DEMO"}, id="model in capitals"),
        *(pytest.param({"input": TEXTS, "dimensions": k}, id=f"{k} dimensions") for k in (32, 1024, 2559, 2560)),
        pytest.param({"input": "x", "dimensions": None}, id="dimensions null"),
        pytest.param({"input": TEXTS, "truncate": True}, id="truncate"),
        pytest.param({"input": TEXTS, "truncate": False}, id="no truncate"),
        pytest.param({"input": "x", "truncate": None}, id="truncate null"),
        *(pytest.param({"input": "x", "keep_alive": v}, id=f"keep_alive {v}") for v in (300, 1.5e3, -1, "1h30m", None)),
        pytest.param({"input": "x", "options": None}, id="options null"),
        pytest.param({"input": "x", "options": {"temperature": 0.1, "no_such": 1}}, id="harmless options"),
        pytest.param({"input": "x", "no_such_field": [1]}, id="unknown field"),
        pytest.param({"input": None}, id="null"),
        pytest.param({"input": ""}, id="empty string"),
        pytest.param({"input": []}, id="empty list"),
        pytest.param({}, id="no input"),
    ],
)
def test_api_embed(beside: Beside, body: dict[str, Any]) -> None:
    """/api/embed has the same fields, tokens and vectors, and no header says that anything was done to the request."""
    answers = beside.agree("/api/embed", {"model": "demo", **body})

    assert answers.bridge.json()["model"] == answers.ollama.json()["model"]
    assert {name for name in map(str.lower, answers.bridge.headers) if name.startswith("x-embed")} <= ADDED


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(rb'{"model":"demo","input":["a\ud800b","\udc00\ud83d"]}', id="lone surrogates"),
        pytest.param(rb'{"model":"demo","input":["\ud83d\ude00"]}', id="a surrogate pair"),
        pytest.param(b'{"model":"demo","input":["a\xe2\x82b\xff\xf0\x9f\x98","\xed\xa0\x80"]}', id="no UTF-8"),
        pytest.param(b'{"Model":"demo","INPUT":["x"],"Dimensions":64}', id="names in other case"),
        pytest.param(b'{"model":"none","model":"demo","input":["x"],"Input":["y"]}', id="names given twice"),
        pytest.param(b' \n{"model":"demo","input":["x"]} \n', id="white space"),
    ],
)  # fmt: skip
def test_api_embed_reads_json_as_go_does(beside: Beside, raw: bytes) -> None:
    """Odd JSON means what it means to Go: U+FFFD for what is not a character, names in any case, the last of two."""
    beside.agree("/api/embed", raw)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"prompt": "公司年假政策有哪些?"}, id="prompt"),
        pytest.param({"prompt": ""}, id="empty prompt"),
        pytest.param({"prompt": None}, id="null"),
        pytest.param({"input": "annual leave"}, id="input by mistake"),
        pytest.param({"prompt": "x", "keep_alive": "10m", "options": {"temperature": 1}}, id="options and keep_alive"),
    ],
)
def test_api_embeddings(beside: Beside, body: dict[str, Any]) -> None:
    """The legacy route: one vector, without a count of tokens, and an empty one for no prompt."""
    beside.agree("/api/embeddings", {"model": "demo", **body})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"input": "annual leave"}, id="string"),
        pytest.param({"input": TEXTS}, id="list"),
        pytest.param({"input": ""}, id="empty string"),
        pytest.param({"input": ["x", ""]}, id="an empty text"),
        pytest.param({"input": TEXTS, "dimensions": 256}, id="dimensions"),
        pytest.param({"input": "x", "encoding_format": "float", "user": "someone"}, id="float"),
        pytest.param({"input": TEXTS, "encoding_format": "base64", "dimensions": 64}, id="base64"),
        pytest.param({"input": "x", "encoding_format": "BASE64"}, id="base64 in capitals"),
        pytest.param({"input": "x", "encoding_format": ""}, id="no encoding"),
    ],
)
def test_v1_embeddings(beside: Beside, body: dict[str, Any]) -> None:
    """OpenAI's route: indices, usage and either encoding."""
    answers = beside.agree("/v1/embeddings", {"model": "demo", **body})

    assert answers.bridge.json()["model"] == "demo"


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/api/embed", b"", 400, "missing request body"),
        ("/api/embed", b"{bad", 400, ""),
        ("/api/embed", b'{"model":"demo","input":"a\nb"}', 400, ""),
        ("/api/embed", b'{"model":"demo","x":NaN}', 400, ""),
        ("/api/embed", b"[]", 400, ""),
        ("/api/embed", {"model": 5}, 400, ""),
        ("/api/embed", {"input": "x"}, 404, "model '' not found"),
        ("/api/embed", {"model": "other", "input": "x"}, 404, "not found"),
        ("/api/embed", {"model": "demo", "input": 5}, 400, "invalid input type"),
        ("/api/embed", {"model": "demo", "input": [15339, 1917]}, 400, "invalid input type"),
        ("/api/embed", {"model": "demo", "input": [["x"]]}, 400, "invalid input type"),
        ("/api/embed", {"model": "demo", "input": ["x", None]}, 400, "invalid input type"),
        ("/api/embed", {"model": "demo", "input": {"text": "x"}}, 400, "invalid input type"),
        ("/api/embed", {"model": "demo", "input": "x", "dimensions": "64"}, 400, "dimensions"),
        ("/api/embed", {"model": "demo", "input": "x", "dimensions": 64.0}, 400, "dimensions"),
        ("/api/embed", {"model": "demo", "input": "x", "dimensions": True}, 400, "dimensions"),
        ("/api/embed", {"model": "demo", "input": "x", "truncate": "true"}, 400, "truncate"),
        ("/api/embed", {"model": "demo", "input": "x", "keep_alive": "300"}, 400, ""),
        ("/api/embed", {"model": "demo", "input": "x", "keep_alive": True}, 400, ""),
        ("/api/embed", {"model": "demo", "input": "x", "options": 5}, 400, "options"),
        ("/api/embeddings", b"", 400, "missing request body"),
        ("/api/embeddings", {"prompt": "x"}, 400, "model is required"),
        ("/api/embeddings", {"model": "other", "prompt": "x"}, 404, "not found"),
        ("/api/embeddings", {"model": "demo", "prompt": ["x"]}, 400, "prompt"),
        ("/api/embeddings", {"model": "demo", "prompt": []}, 400, "prompt"),
        ("/v1/embeddings", b"", 400, ""),
        ("/v1/embeddings", {"model": "other", "input": "x"}, 404, "not found"),
        ("/v1/embeddings", {"model": "demo"}, 400, "invalid input"),
        ("/v1/embeddings", {"model": "demo", "input": []}, 400, "invalid input"),
        ("/v1/embeddings", {"model": "demo", "input": [1, 2]}, 400, "invalid input type"),
        ("/v1/embeddings", {"model": "demo", "input": "x", "encoding_format": "hex"}, 400, "encoding_format"),
        ("/api/show", b"", 400, "missing request body"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/show", {"model": "other"}, 404, "not found"),
    ],
)
def test_mistakes(beside: Beside, path: str, body: Any, status: int, said: str) -> None:
    """A mistake gets Ollama's status in Ollama's shape, with the words that clients look for."""
    answers = beside.post(path, body)

    assert answers.statuses == (status, status)
    assert said in error_of(answers.ollama)
    assert said in error_of(answers.bridge)
    theirs, ours = answers.ollama.json()["error"], answers.bridge.json()["error"]
    if path.startswith("/v1"):
        assert set(ours) == set(theirs)
        assert (ours["type"], ours["param"]) == (theirs["type"], theirs["param"])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/api/version", "/api/tags"])
def test_what_clients_look_at_first(beside: Beside, method: str, path: str) -> None:
    """The root says that Ollama is running, and GET and HEAD answer as there."""
    answers = beside.ask(method, path)

    assert answers.statuses == (200, 200)
    assert answers.bridge.headers["Content-Type"] == answers.ollama.headers["Content-Type"]
    if path == "/":
        assert answers.bridge.text == answers.ollama.text


def test_version(beside: Beside) -> None:
    """The engine's own version, by which clients decide what they may send."""
    answers = beside.ask("GET", "/api/version")

    assert answers.bridge.json()["version"] == answers.ollama.json()["version"]


def test_tags(beside: Beside) -> None:
    """The entry of the model has Ollama's fields, its digest, size, date and details."""
    answers = beside.ask("GET", "/api/tags")
    (theirs,) = [entry for entry in answers.ollama.json()["models"] if entry["name"] == "demo:latest"]
    ours = next(entry for entry in answers.bridge.json()["models"] if entry["name"] == theirs["name"])

    assert fields(ours) == fields(theirs)
    assert {**ours, "details": None} == {**theirs, "details": None}
    differing = {"parent_model", "parameter_size", "context_length"}
    assert {k: v for k, v in ours["details"].items() if k not in differing} == {
        k: v for k, v in theirs["details"].items() if k not in differing
    }


def test_ps(beside: Beside) -> None:
    """While the model is loaded, its entry is Ollama's own but for the name; once unloaded there is none."""
    beside.agree("/api/embed", {"model": "demo", "input": "x", "keep_alive": "10m"})
    answers = beside.ask("GET", "/api/ps")
    (theirs,) = [entry for entry in answers.ollama.json()["models"] if entry["name"] == "demo:latest"]
    (ours,) = answers.bridge.json()["models"]
    assert ours | {"name": None, "model": None} == theirs | {"name": None, "model": None}

    requests.post(f"{beside.bridge}/api/embed", json={"model": "demo", "keep_alive": 0}, timeout=60)
    # Ollama answers first and unloads then.
    wait_until(
        lambda: beside.ask("GET", "/api/ps").bridge.json() == {"models": []}, within=30, what="the model is unloaded"
    )


def test_show(beside: Beside) -> None:
    """The engine's own answer, but for the order in which it lists parameters and how long a text may be."""
    answers = beside.post("/api/show", {"model": "demo"})
    theirs, ours = answers.ollama.json(), answers.bridge.json()
    for shown in (theirs, ours):
        for name in ("parameters", "modelfile"):
            shown[name] = sorted(shown[name].splitlines())
    lengths = [shown["model_info"].pop("qwen3.context_length") for shown in (theirs, ours)]

    assert ours == theirs
    assert lengths == [40960, 8190]


def test_v1_models(beside: Beside) -> None:
    """OpenAI's list has the same fields, and what the model gives besides; one entry by itself too."""
    for path in ("/v1/models", "/v1/models/demo"):
        answers = beside.ask("GET", path)

        ours = answers.bridge.json()
        for entry in ours.get("data", [ours]):
            assert (entry.pop("dimensions"), entry.pop("max_model_len")) == (2560, 8190)
        assert fields(ours) == fields(answers.ollama.json())


def test_keep_alive_reaches_ollama(beside: Beside) -> None:
    """How long the model stays loaded is what the last request that says so says, as in Ollama."""
    for sent, minutes in (({"keep_alive": "17m"}, 17), ({"keep_alive": 1260}, 21), ({}, 21)):
        body = {"model": "demo", "input": "x", **sent}
        assert requests.post(f"{beside.bridge}/api/embed", json=body, timeout=60).status_code == 200

        (entry,) = requests.get(f"{beside.bridge}/api/ps", timeout=60).json()["models"]
        left = datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC)
        assert abs(left - timedelta(minutes=minutes)) < timedelta(minutes=1)


def test_vectors_have_length_one(beside: Beside) -> None:
    """Cut or not, on either side."""
    for dimensions in (33, 2560):
        answers = beside.agree("/api/embed", {"model": "demo", "input": TEXTS, "dimensions": dimensions})
        for answer in (answers.ollama, answers.bridge):
            assert np.allclose(np.linalg.norm(vectors_of(answer.json()), axis=1), 1, atol=1e-6)
