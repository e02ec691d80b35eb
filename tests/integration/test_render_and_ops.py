"""What a request would become, whether the bridge serves, and what clients look at before they embed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from embedstack import __version__
from embedstack.models import catalog
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start
from tests.engines.process import free_port
from tests.integration.doors import EMBEDDING, EVERY, RENDER, Door, name, refusal

WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
STS = "Retrieve semantically similar text"
DEMO = catalog.load().models["demo"]
SERVED = "demo:stand-in"


@pytest.fixture(scope="module")
def away() -> Iterator[Bridge]:
    """A bridge whose engine is not there."""
    url = f"http://127.0.0.1:{free_port()}"
    with start("--upstream", url, "--set", "engine.kind=ollama", "--set", "model.id=demo", wait_ready=False) as running:
        running.wait_state()
        yield running


def get(bridge: Bridge, path: str) -> requests.Response:
    return requests.get(bridge.url + path, timeout=60)


def render(bridge: Bridge, text: object, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    response = bridge.post("/v1/render", RENDER.body(text, **fields), headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


# --- /v1/render -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "header", "expected"),
    [
        ({}, None, ("document", "document", None, "default", 2560)),
        ({"input_type": "query"}, None, ("query", "query", WEB_SEARCH, "body input_type", 2560)),
        ({"task": "STS", "dimensions": 64}, None, ("query", "sts", STS, "body task", 64)),
        ({"prompt_name": "document", "task": "sts"}, None, ("document", "sts", STS, "body task, prompt_name", 2560)),
        ({"prompt_name": "passage", "task": "code"}, None, ("document", "code", None, "body task, prompt_name", 2560)),
        ({}, "search_query", ("query", "query", WEB_SEARCH, "header X-Embed-Task", 2560)),
        ({"model": "demo@query,1024"}, None, ("query", "query", WEB_SEARCH, "model alias", 1024)),
        ({"model": "demo@query", "task": "sts"}, "document", ("query", "sts", STS, "body task", 2560)),
        ({"instruction": "Find it"}, None, ("query", "instruction", "Find it", "body instruction", 2560)),
        ({"instruction": "", "task": "sts"}, None, ("query", "instruction", None, "body instruction", 2560)),
    ],
)
def test_render_tells_role_and_source(
    bridge: Bridge, fields: dict[str, Any], header: str | None, expected: tuple[object, ...]
) -> None:
    """Which role and task, whose instruction, who said so, how many dimensions, and the very text."""
    reported = render(bridge, "公司年假", {"X-Embed-Task": header} if header else None, **fields)

    role, task, instruction, source, dimensions = expected
    prefix = f"Instruct: {instruction}\nQuery:" if instruction else ""
    text = prefix + "公司年假"
    assert reported == {
        "model": fields.get("model", "demo"),
        "role": role,
        "task": task,
        "instruction": instruction,
        "source": source,
        "dimensions": dimensions,
        "limit_tokens": 8190,
        "texts": [{"text": text, "bytes": len(text.encode()), "surely_fits": True, "corrected": False}],
    }


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
@pytest.mark.parametrize("fields", [{"input_type": "query"}, {"task": "code"}, {"instruction": "e\u0301"}, {}], ids=str)
def test_what_is_rendered_is_what_is_embedded(bridge: Bridge, door: Door, fields: dict[str, Any]) -> None:
    """The text that render shows, sent as it is, has the vector of the request that it stands for."""
    (shown,) = render(bridge, "가나 ①", **fields)["texts"]
    asked = door.vectors(bridge.post(door.path, door.body("가나 ①", **fields)))

    np.testing.assert_allclose(asked, bridge.embed(shown["text"]), rtol=0, atol=1e-6)


def test_render_counts_bytes_and_says_what_may_not_fit(bridge: Bridge) -> None:
    """Within the limit in bytes a text surely fits; beyond it, only counting could tell, which render does not do."""
    reported = render(bridge, ["年" * 2730, "年" * 2731, "x" * 8190, "x" * 8191, ""])["texts"]

    assert [(one["bytes"], one["surely_fits"]) for one in reported] == [
        (8190, True),
        (8193, False),
        (8190, True),
        (8191, False),
        (0, True),
    ]


def test_render_of_nothing_still_tells_the_role(bridge: Bridge) -> None:
    """To see what an alias or a header means, no text is needed."""
    nothings: tuple[object, ...] = (None, "", [])
    for nothing in nothings:
        reported = render(bridge, nothing, model="demo@query")

        assert (reported["role"], reported["texts"]) == ("query", [])


def test_render_needs_no_engine(away: Bridge) -> None:
    """Prompts can be looked at before anything is installed; the limit is the engine's and not known yet."""
    reported = render(away, "x", input_type="query")

    assert (reported["role"], reported["limit_tokens"]) == ("query", None)
    text = {"text": f"Instruct: {WEB_SEARCH}\nQuery:x", "bytes": 92, "surely_fits": None, "corrected": False}
    assert reported["texts"] == [text]


# --- alive, ready, measured -------------------------------------------------------------------------------------------


def test_a_serving_bridge_is_alive_and_ready(bridge: Bridge) -> None:
    """With what it serves and every check that its engine has passed."""
    assert get(bridge, "/healthz").json() == {"status": "ok", "version": __version__}
    answer = get(bridge, "/readyz")
    reply = answer.json()
    (backend,) = reply["backends"]

    assert (answer.status_code, reply["ready"], reply["model"], reply["precision"]) == (200, True, "demo", "f16")
    assert "stand-in" in reply["note"]
    assert (backend["ready"], backend["reason"], backend["next"]) == (True, None, None)
    assert (backend["engine"], backend["engine_model"]) == ("embedded", "demo")
    assert {"token counts", "unit norm", "single = batch", "base64 = float"} <= {c["check"] for c in backend["checks"]}
    assert all(check["ok"] for check in backend["checks"])


def test_a_bridge_without_its_engine_is_alive_and_says_why_it_is_not_ready(away: Bridge) -> None:
    """An orchestrator must not restart it, and must not send it traffic either."""
    assert get(away, "/healthz").status_code == 200
    answer = get(away, "/readyz")
    (backend,) = answer.json()["backends"]

    assert (answer.status_code, answer.json()["ready"], backend["ready"]) == (503, False, False)
    assert "No engine answers at http://127.0.0.1:" in backend["reason"]
    assert "Start it" in backend["next"]


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
def test_without_its_engine_a_request_is_asked_to_come_back(away: Bridge, door: Door) -> None:
    """In the door's shape, with a time; a preload too, since it would have been a lie to say that it is done."""
    for text in ("x", "") if door.path.startswith("/api") else ("x",):
        response = away.post(door.path, door.body(text))
        refused = door.refused(response)

        assert (refused.status, refused.code) == (503, "engine_not_ready")
        assert "No engine answers" in refused.message
        assert int(response.headers["Retry-After"]) > 0


def test_without_its_engine_the_bridge_still_introduces_itself(away: Bridge) -> None:
    """Lists and cards come from the catalogue; nothing is loaded; the metrics say that the engine is out."""
    tags = get(away, "/api/tags").json()["models"]
    assert [entry["name"] for entry in tags][:2] == [SERVED, "demo:latest"]
    assert "context_length" not in tags[0]["details"]
    assert get(away, "/api/ps").json() == {"models": []}
    assert away.post("/api/show", {"model": "demo"}).json()["capabilities"] == ["embedding"]
    assert get(away, "/api/version").json()["version"].count(".") == 2
    assert [value for (name, _), value in metrics(away).items() if name == "embed_bridge_engine_ready"] == [0]


def metrics(bridge: Bridge) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels, buckets left out."""
    response = get(bridge, "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    samples = [s for family in text_string_to_metric_families(response.text) for s in family.samples]
    return {(s.name, tuple(s.labels.values())): s.value for s in samples if "le" not in s.labels}


def test_every_request_is_counted_by_path_and_status(bridge: Bridge) -> None:
    """Paths that do not exist share one label, so that nobody can fill the memory with them."""
    before = metrics(bridge)
    bridge.embed("x")
    bridge.post("/v1/embeddings", {"model": "nothing", "input": "x"})
    for n in range(5):
        get(bridge, f"/no/such/path/{n}")
    requests.post(bridge.url + "//api/embed/", json={"model": "demo", "input": "x"}, timeout=60)
    after = metrics(bridge)

    def more(path: str, status: str) -> float:
        key = ("embed_bridge_request_seconds_count", (path, status))
        return after.get(key, 0) - before.get(key, 0)

    assert (more("/api/embed", "200"), more("/v1/embeddings", "404"), more("other", "404")) == (2, 1, 5)
    assert not [labels for _, labels in after if any("/no/such" in label for label in labels)]
    (engine,) = (value for (name, _), value in after.items() if name == "embed_bridge_engine_ready")
    assert (engine, after["embed_bridge_queue_texts", ("bulk",)]) == (1, 0)
    assert after["process_resident_memory_bytes", ()] > 0


# --- what clients look at first ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/api/tags", "/api/ps", "/api/version", "/v1/models"]
)
def test_head_is_get_without_a_body(bridge: Bridge, path: str) -> None:
    """`HEAD /` is how Ollama's own command line asks whether anybody is there."""
    head = requests.head(bridge.url + path, timeout=60)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get(bridge, path).headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


def test_the_root_says_what_ollamas_does(bridge: Bridge) -> None:
    """Clients compare the text."""
    answer = get(bridge, "/")

    assert answer.text == "Ollama is running"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_version_is_an_ollama_version(bridge: Bridge) -> None:
    """Clients refuse an Ollama that is too old; the bridge's own version stands beside it."""
    answer = get(bridge, "/api/version").json()

    assert [part.isdigit() for part in answer["version"].split(".")] == [True] * 3
    assert answer["bridge"] == __version__


def test_tags_lists_the_model_as_ollama_would(bridge: Bridge, demo: DemoFiles) -> None:
    """Every field of Ollama's, by the name that says what it is and by the one that clients ask for."""
    models = get(bridge, "/api/tags").json()["models"]

    assert [entry["name"] for entry in models][:2] == [SERVED, "demo:latest"]
    assert "demo@query,512:latest" in [entry["name"] for entry in models]
    assert len(models) < 16
    for entry in models:
        size = entry["details"].pop("embedding_length")
        assert size == len(bridge.embed("x", model=entry["name"])[0])
        modified = entry.pop("modified_at")
        assert datetime.fromisoformat(modified).tzinfo is not None
        assert entry == {
            "name": entry["name"],
            "model": entry["name"],
            "size": demo.gguf.stat().st_size,
            "digest": demo.sha256,
            "details": {
                "parent_model": DEMO.note,
                "format": "gguf",
                "family": "qwen3",
                "families": ["qwen3"],
                "parameter_size": "24M",
                "quantization_level": "F16",
                "context_length": 8192,
            },
            "capabilities": ["embedding"],
        }


def test_every_listed_name_can_be_asked_for(bridge: Bridge) -> None:
    """What a client finds in a list it may put into its next request."""
    listed = {entry["name"] for entry in get(bridge, "/api/tags").json()["models"]}
    listed |= {entry["id"] for entry in get(bridge, "/v1/models").json()["data"]}

    for model in listed:
        assert len(bridge.embed("x", model=model)) == 1
        assert bridge.post("/api/show", {"model": model}).status_code == 200


@pytest.mark.parametrize("agent", [{"User-Agent": "Python/3.11 aiohttp/3.14.1"}, {"X-OpenWebUI-User-Id": "7"}], ids=str)
def test_open_webuis_menus_have_no_names_with_options(bridge: Bridge, agent: dict[str, str]) -> None:
    """It shows whatever is listed among the models to chat with."""
    models = requests.get(f"{bridge.url}/api/tags", headers=agent, timeout=60).json()["models"]

    assert [entry["name"] for entry in models] == [SERVED, "demo:latest"]


def test_ps_shows_the_loaded_model(bridge: Bridge) -> None:
    """The embedded engine keeps it for as long as it runs."""
    (entry,) = get(bridge, "/api/ps").json()["models"]

    assert (entry["name"], entry["context_length"], entry["size_vram"]) == (SERVED, 8192, 0)
    assert datetime.fromisoformat(entry["expires_at"]) > datetime.now(UTC)
    assert entry["details"]["embedding_length"] == 2560


@pytest.mark.parametrize(
    "body",
    [
        {"model": "demo"},
        {"name": "demo"},
        {"model": SERVED},
        {"model": "demo@query,64"},
        {"model": "DEMO:latest", "verbose": True},
    ],
    ids=str,
)
def test_show_is_the_models_card(bridge: Bridge, body: dict[str, object]) -> None:
    """What LangChain, Open WebUI and others read from it: dimensions, context, pooling, EOS, capability."""
    answer = bridge.post("/api/show", body).json()
    info = answer["model_info"]

    assert info["general.architecture"] == "qwen3"
    size = len(bridge.embed("x", model=str(body.get("model") or body.get("name")))[0])
    assert (info["qwen3.embedding_length"], answer["details"]["embedding_length"]) == (size, size)
    assert (info["qwen3.context_length"], info["qwen3.pooling_type"]) == (8190, 3)
    assert info["tokenizer.ggml.add_eos_token"] is True
    assert answer["capabilities"] == ["embedding"]
    assert answer["details"]["quantization_level"] == "F16"
    assert "stand-in" in answer["details"]["parent_model"]
    assert answer["parameters"].split() == ["num_ctx", "8192"]
    assert {"license", "modelfile", "template", "modified_at"} <= set(answer)


def test_models_is_openais_list(bridge: Bridge) -> None:
    """For clients that fill a menu from it."""
    answer = get(bridge, "/v1/models").json()

    assert answer["object"] == "list"
    assert [entry["id"] for entry in answer["data"]] == [SERVED, "demo"]
    assert all((entry["object"], entry["owned_by"]) == ("model", "embedstack") for entry in answer["data"])


NAMES = (
    *("demo", "DEMO:latest", "demo:stand-in", "demo@64", "demo@query,128", "demo-query", "library/demo"),
    *("short", "SHORT@query", "short-passage:latest", "short@1024", "registry.ollama.ai/library/short"),
)


@pytest.fixture(scope="module")
def cut() -> Iterator[Bridge]:
    """A bridge whose names give 512, 64, or what stands behind them, of a model that has 2,560."""
    sets = ("model.dimensions=512", 'model.aliases={"short": "demo@64"}', "engine.context=256")
    with start("--demo", *(part for one in sets for part in ("--set", one))) as running:
        yield running


@pytest.mark.parametrize("model", NAMES)
def test_every_card_tells_what_the_name_gives(cut: Bridge, model: str) -> None:
    """Dimensions and context, in Ollama's card and in OpenAI's, are those of an answer under that name."""
    size = len(cut.embed("x", model=model)[0])
    card = cut.post("/api/show", {"model": model}).json()
    entry = get(cut, f"/v1/models/{model}").json()

    assert (card["model_info"]["qwen3.embedding_length"], card["details"]["embedding_length"]) == (size, size)
    assert (card["model_info"]["qwen3.context_length"], card["details"]["context_length"]) == (254, 256)
    assert (entry["id"], entry["dimensions"], entry["max_model_len"]) == (model, size, 254)


def test_every_list_tells_what_its_names_give(cut: Bridge) -> None:
    """Each entry has the size of its own name, and /api/ps that of the name it shows."""
    tags, listed, (loaded,) = (
        get(cut, path).json()[key]
        for path, key in (("/api/tags", "models"), ("/v1/models", "data"), ("/api/ps", "models"))
    )
    fields = {entry["name"]: entry["details"]["embedding_length"] for entry in [*tags, loaded]}
    fields |= {entry["id"]: entry["dimensions"] for entry in listed}

    assert fields == {name: len(cut.embed("x", model=name)[0]) for name in fields}
    assert {512, 64, 1024, 256} == set(fields.values())
    assert {entry["details"]["context_length"] for entry in [*tags, loaded]} == {256}


@pytest.mark.parametrize("model", ["demo@7", "demo@nonsense", "demo@"])
def test_a_name_that_gives_no_vector_has_no_card(bridge: Bridge, model: str) -> None:
    """The refusal is that of an embedding request."""
    codes = [
        refusal(bridge.post("/v1/embeddings", {"model": model, "input": "x"}), openai=True).code,
        refusal(get(bridge, f"/v1/models/{model}"), openai=True).code,
        refusal(bridge.post("/api/show", {"model": model}), openai=False).code,
    ]

    assert codes[0] == codes[1] == codes[2]


@pytest.mark.parametrize("encode", [str, quote, lambda name: quote(name, safe="")], ids=["plain", "quoted", "whole"])
@pytest.mark.parametrize("model", ["demo", "demo@query,64", "demo:stand-in", "hf.co/Qwen/other", "other", "api/embed"])
def test_one_model_by_its_name(bridge: Bridge, model: str, encode: Callable[[str], str]) -> None:
    """Slashes, `@` and `:`, encoded or not; HEAD too; another model's name is a 404 in OpenAI's shape."""
    url = f"{bridge.url}/v1/models/{encode(model)}"
    answer, head = requests.get(url, timeout=60), requests.head(url, timeout=60)

    assert (head.status_code, head.content) == (answer.status_code, b"")
    if model.startswith("demo"):
        assert answer.json()["id"] == model
        assert answer.json()["object"] == "model"
    else:
        assert (answer.status_code, refusal(answer, openai=True).code) == (404, "model_not_found")
    assert refusal(requests.post(url, json={}, timeout=60), openai=True).code == "method_not_allowed"


@pytest.mark.parametrize(
    ("method", "path", "openai", "base"),
    [
        ("POST", "/v1/api/embed", False, ""),
        ("GET", "/v1/api/tags", False, ""),
        ("POST", "/api/api/embed", False, ""),
        ("POST", "/api/v1/embeddings", True, "/v1"),
        ("POST", "/v1/v1/embeddings", True, "/v1"),
        ("POST", "/openai/deployments/demo/embeddings?api-version=2024-10-21", True, "/v1"),
        ("GET", "/models", True, "/v1"),
        ("GET", "/v1", True, "/v1"),
        ("GET", "/v1/", True, "/v1"),
        ("POST", "/nothing", False, "/v1"),
    ],
)
def test_a_wrong_base_url_is_answered_with_the_right_one(
    bridge: Bridge, method: str, path: str, openai: bool, base: str
) -> None:
    """A 404 in the shape that the client reads, with the URL to set, at the address that was asked."""
    answer = requests.request(method, bridge.url + path, json={"model": "demo", "input": "x"}, timeout=60)
    reported = refusal(answer, openai=openai)

    assert (reported.status, reported.code) == (404, "not_found")
    assert re.search(rf"{re.escape(bridge.url + base)}[:.,]", reported.message)


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/api/tags", "/api/ps", "/api/version", "/v1/models", "/"]
)
def test_a_page_that_is_only_read_cannot_be_posted_to(bridge: Bridge, path: str) -> None:
    """405 with the methods that are allowed."""
    response = requests.post(bridge.url + path, json={}, timeout=60)

    assert (response.status_code, response.headers["X-Embed-Error"]) == (405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


# --- methods and paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", EVERY, ids=name)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_refused(bridge: Bridge, door: Door, method: str) -> None:
    """With the right one in the message and in the header that HTTP has for it."""
    response = requests.request(method, bridge.url + door.path, timeout=60)
    refused = door.refused(response)

    assert (refused.status, refused.code) == (405, "method_not_allowed")
    assert refused.message == f"{method} is not allowed for {door.path}. Use POST."
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "openai"),
    [
        ("/api/embedding", False),
        ("/api", False),
        ("/api/pull", False),
        ("/v1/nothing", True),
        ("/v1/", True),
        ("/x%0Ay", False),
    ],
)
def test_an_unknown_path_is_refused(bridge: Bridge, path: str, openai: bool) -> None:
    """In the shape of the API it would belong to."""
    refused = refusal(requests.post(bridge.url + path, json={}, timeout=60), openai=openai)

    assert (refused.status, refused.code) == (404, "not_found")
    assert "docs/api.md" in refused.message
