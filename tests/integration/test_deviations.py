"""Where the bridge answers otherwise than Ollama, on purpose: each line of the list in docs/api.md, with both sides."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import requests

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.engines.run import ollama_create
from tests.integration.beside import SAME, Answers, Beside, cosine, error_of, tokens_of, vectors_of
from tests.stacks import Stacks

pytestmark = pytest.mark.needs("ollama")

# A second model of the same weights with so little context that a text which is too long for it is embedded at once.
SMALL, CONTEXT = "demo-small", 256
LIMIT = CONTEXT - 2
LONG = " the" * 400
WORDS_THAT_FIT = " the" * LIMIT
EMBED_ROUTES = ["/api/embed", "/v1/embeddings"]


@pytest.fixture(scope="module")
def beside(stacks: Stacks) -> Beside:
    return Beside(stacks.upstream("ollama").url, stacks["ollama"].bridge.url)


@pytest.fixture(scope="module")
def small_model(stacks: Stacks, demo: DemoFiles) -> str:
    upstream = stacks.upstream("ollama")
    ollama_create(upstream, SMALL, demo.gguf, {"num_ctx": CONTEXT, "num_batch": CONTEXT})
    return upstream.url


@pytest.fixture(scope="module")
def small(small_model: str) -> Iterator[Beside]:
    """As the bridge comes."""
    with bridge(*_before(small_model, SMALL)) as running:
        yield Beside(small_model, running.url, SMALL)


@pytest.fixture(scope="module")
def cutting(small_model: str) -> Iterator[Beside]:
    """With `on_too_long: truncate`, and with limits that a test can reach."""
    with bridge(*_before(small_model, SMALL, "requests.on_too_long=truncate", "limits.texts=3")) as running:
        yield Beside(small_model, running.url, SMALL)


def _before(url: str, model: str, *settings: str) -> list[str]:
    values = ["model.id=demo", "model.precision=f16", f"engine.model={model}", *settings]
    return ["--upstream", url, *(part for value in values for part in ("--set", value))]


def body_for(path: str, text: object, **fields: object) -> dict[str, object]:
    return {"model": "demo", "prompt" if path == "/api/embeddings" else "input": text, **fields}


def same(answers: Answers) -> bool:
    """Vectors and token counts of both are the same."""
    theirs, ours = answers.ollama.json(), answers.bridge.json()
    return tokens_of(ours) == tokens_of(theirs) and cosine(vectors_of(ours), vectors_of(theirs)) >= SAME


# Dimensions


@pytest.mark.parametrize("path", EMBED_ROUTES)
@pytest.mark.parametrize(("asked", "given"), [(0, 2560), (-1, 2560), (31, 31), (2561, 2560), (99999, 2560)])
def test_dimensions_outside_the_range(beside: Beside, path: str, asked: int, given: int) -> None:
    """Ollama ignores dimensions that it cannot give, and cuts below what the model was trained for; we refuse both."""
    answers = beside.post(path, body_for(path, "x", dimensions=asked))

    assert f"dimensions is {asked}, but must be a whole number from 32 to 2560" in answers.refusal()
    assert answers.statuses == (200, 400)
    assert vectors_of(answers.ollama.json()).shape == (1, given)


def test_dimensions_on_the_legacy_route(beside: Beside) -> None:
    """/api/embeddings has no `dimensions` in Ollama; here every route cuts."""
    answers = beside.post("/api/embeddings", body_for("/api/embeddings", "x", dimensions=64))

    assert vectors_of(answers.ollama.json()).shape == (1, 2560)
    assert vectors_of(answers.bridge.json()).shape == (1, 64)


# Length


@pytest.mark.parametrize("path", EMBED_ROUTES)
def test_too_long_without_leave_to_cut(small: Beside, path: str) -> None:
    """Ollama cuts without a word; we refuse, and say how to allow it."""
    answers = small.post(path, body_for(path, [LONG, "x"]))

    assert f"input 0 has 400 tokens; the limit is {LIMIT}" in answers.refusal()
    assert "`truncate: true`" in answers.refusal()
    assert answers.statuses == (200, 400)
    assert tokens_of(answers.ollama.json()) == LIMIT + 1 + 2


@pytest.mark.parametrize("path", EMBED_ROUTES)
def test_too_long_with_leave_to_cut(small: Beside, path: str) -> None:
    """With `truncate: true` both keep the same beginning; ours says which texts were cut."""
    answers = small.post(path, body_for(path, ["x", LONG, "y"], truncate=True))

    assert same(answers)
    assert "X-Embed-Truncated" not in answers.ollama.headers
    assert answers.bridge.headers["X-Embed-Truncated"] == "1"


def test_too_long_and_not_to_be_cut(small: Beside) -> None:
    """`truncate: false` is a 400 from both on /api/embed; Ollama's /v1 does not know the field and cuts."""
    embed = small.post("/api/embed", body_for("/api/embed", LONG, truncate=False))
    openai = small.post("/v1/embeddings", body_for("/v1/embeddings", LONG, truncate=False))

    assert embed.statuses == (400, 400)
    assert openai.statuses == (200, 400)


@pytest.mark.parametrize("path", EMBED_ROUTES)
def test_what_just_fits(small: Beside, path: str) -> None:
    """The limit is Ollama's own, to the token."""
    assert same(small.post(path, body_for(path, WORDS_THAT_FIT)))
    assert small.post(path, body_for(path, WORDS_THAT_FIT + " the", truncate=False)).statuses[1] == 400


@pytest.mark.parametrize("path", EMBED_ROUTES)
@pytest.mark.parametrize("text", [LONG, "公司年假政策有哪些带薪休假" * 60], ids=["words", "Chinese"])
def test_on_too_long_truncate_restores_it(cutting: Beside, path: str, text: str) -> None:
    """Configured so, the bridge cuts where Ollama does, and still says so."""
    answers = cutting.post(path, body_for(path, text))

    assert same(answers)
    assert answers.bridge.headers["X-Embed-Truncated"] == "0"


def test_a_cut_inside_a_character(cutting: Beside) -> None:
    """Ollama cuts between two tokens of one emoji, and what it makes of the halves no longer fits; we cut before it."""
    answers = cutting.post("/api/embed", body_for("/api/embed", "👩‍👩‍👧" * 90))

    assert answers.statuses == (400, 200)
    assert "exceeds" in error_of(answers.ollama)
    assert 0 < (tokens_of(answers.bridge.json()) or 0) <= LIMIT + 1


def test_the_legacy_route_never_cuts(small: Beside, cutting: Beside) -> None:
    """/api/embeddings refuses what is too long, whatever is asked or configured; Ollama as a 500, we as a 400."""
    for pair in (small, cutting):
        answers = pair.post("/api/embeddings", body_for("/api/embeddings", LONG, truncate=True))
        assert answers.statuses == (500, 400)
        assert answers.bridge.headers["X-Embed-Error"] == "input_too_long"


# Text


@pytest.mark.parametrize("text", ["한국어", "Café déjà vu", "がぎぐげご"])
def test_decomposed_text_is_composed(beside: Beside, text: str) -> None:
    """Ollama embeds NFD as other tokens than the same text in NFC; we, like Qwen's own tokenizer, as NFC."""
    decomposed = unicodedata.normalize("NFD", text)
    nfc = beside.post("/api/embed", body_for("/api/embed", text))
    nfd = beside.post("/api/embed", body_for("/api/embed", decomposed))

    assert same(nfc)
    assert same(Answers(ollama=nfc.ollama, bridge=nfd.bridge))
    assert tokens_of(nfd.ollama.json()) != tokens_of(nfc.ollama.json())


def test_a_prompt_that_is_nearly_right(beside: Beside) -> None:
    """Ollama embeds the space behind `Query:` as another first token; we what the model was trained on, and say so."""
    near = "Instruct: Find it\nQuery: annual leave"
    right = beside.post("/api/embed", body_for("/api/embed", near.replace("Query: ", "Query:")))
    nearly = beside.post("/api/embed", body_for("/api/embed", near))

    assert same(right)
    assert same(Answers(ollama=right.ollama, bridge=nearly.bridge))
    assert not same(nearly)
    assert nearly.bridge.headers["X-Embed-Corrected"] == "0"
    assert same(beside.post("/api/embed", body_for("/api/embed", near, input_type="document")))


# Vectors


def test_a_vector_that_is_no_vector(stacks: Stacks, demo: DemoFiles, tmp_path: Path) -> None:
    """Where the engine's numbers overflow, Ollama answers 200 and zeros, we a 502 and no vector."""
    upstream = stacks.upstream("ollama")
    ollama_create(upstream, "demo-turned", demo.gguf)
    ollama_create(upstream, "demo-overflowing", _overflowing(demo.gguf, tmp_path / "overflowing.gguf"))
    with bridge(*_before(upstream.url, "demo-turned")) as running:
        # Copied, which takes no time: a bridge that looks at its engine in between finds out before it is asked.
        turned = {"source": "demo-overflowing", "destination": "demo-turned"}
        requests.post(f"{upstream.url}/api/copy", json=turned, timeout=60).raise_for_status()
        answers = Beside(upstream.url, running.url, "demo-turned").post("/api/embed", body_for("/api/embed", "x"))

    assert not vectors_of(answers.ollama.json()).any()
    assert "The engine's vector is zero" in answers.refusal()
    assert answers.statuses == (200, 502)
    assert answers.bridge.headers["X-Embed-Error"] == "engine_vectors_broken"


def _overflowing(source: Path, target: Path) -> Path:
    """The demo model with a final norm so large that float32 does not hold the squares of what it makes."""
    shutil.copyfile(source, target)
    (norm,) = [tensor for tensor in gguf.GGUFReader(source).tensors if tensor.name == "output_norm.weight"]
    weights = np.memmap(target, dtype=np.float32, mode="r+", offset=norm.data_offset, shape=(norm.n_elements,))
    weights[:] = np.finfo(np.float32).max
    weights.flush()
    return target


# Options


def test_options_that_would_reload_the_model(beside: Beside) -> None:
    """To Ollama `num_ctx` means to reload the model for one request; we leave it loaded and name what we ignored."""
    body = body_for("/api/embed", "x", options={"num_ctx": 512, "num_gpu": 0, "temperature": 0.5})

    ours = requests.post(f"{beside.bridge}/api/embed", json=body, timeout=60)
    assert ours.status_code == 200
    assert ours.headers["X-Embed-Ignored"] == "num_ctx,num_gpu"
    assert _loaded_context(beside) == 8192

    requests.post(f"{beside.ollama}/api/embed", json=body, timeout=60).raise_for_status()
    assert _loaded_context(beside) == 512


def _loaded_context(beside: Beside) -> int:
    models = requests.get(f"{beside.ollama}/api/ps", timeout=60).json()["models"]
    (context,) = [entry["context_length"] for entry in models if entry["name"] == "demo:latest"]
    return int(context)


def test_options_of_a_wrong_type(beside: Beside) -> None:
    """Options are not passed on, so that a value which Ollama would answer with a 500 does no harm."""
    answers = beside.post("/api/embed", body_for("/api/embed", "x", options={"temperature": "hot"}))

    assert answers.statuses == (500, 200)


# Roles and names


def test_fields_that_name_a_role(beside: Beside) -> None:
    """What Ollama ignores as unknown is what the bridge is for."""
    text = "annual leave"
    answers = beside.post("/api/embed", body_for("/api/embed", text, input_type="query"))
    prompt = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    prompted = beside.post("/api/embed", body_for("/api/embed", prompt + text))

    assert not same(answers)
    assert same(Answers(ollama=prompted.ollama, bridge=answers.bridge))


def test_a_name_with_options(beside: Beside) -> None:
    """`@` makes an invalid name to Ollama, and chooses role and dimensions here."""
    answers = beside.post("/api/embed", {"model": "demo@query,64", "input": "x"})

    assert answers.statuses == (400, 200)
    assert vectors_of(answers.bridge.json()).shape == (1, 64)


def test_a_name_that_cannot_be(beside: Beside) -> None:
    """To Ollama some names are invalid; to the bridge they are models that it does not serve."""
    assert beside.post("/api/embed", {"model": "a/b/c/d:e:f", "input": "x"}).statuses == (400, 404)


# Requests


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b'{"model":"demo","input":"x"} and more', (200, 400)),
        (b'{"model":"demo","input":"x","deep":' + b"[" * 3000 + b"]" * 3000 + b"}", (200, 400)),
        (b"null", (404, 400)),
    ],
    ids=["more after the object", "very deep", "null"],
)
def test_bodies_that_are_not_one_object(beside: Beside, raw: bytes, statuses: tuple[int, int]) -> None:
    """Ollama reads the first value of a body and never minds; we refuse what is not exactly one sane object."""
    answers = beside.post("/api/embed", raw)

    assert answers.statuses == statuses
    assert answers.bridge.headers["X-Embed-Error"] == "invalid_json"


def test_more_texts_than_configured(cutting: Beside) -> None:
    """Ollama takes any number; ours is limits.texts."""
    answers = cutting.post("/api/embed", body_for("/api/embed", ["x"] * 4))

    assert "The request has 4 texts; at most 3 are taken at once" in answers.refusal()
    assert answers.statuses == (200, 413)


@pytest.mark.parametrize("field", [{"truncate": "true"}, {"keep_alive": "300"}, {"options": 5}], ids=str)
def test_fields_of_api_embed_on_v1(beside: Beside, field: dict[str, Any]) -> None:
    """/v1/embeddings takes truncate, keep_alive and options as /api/embed does, and so refuses what they cannot be."""
    assert beside.post("/v1/embeddings", body_for("/v1/embeddings", "x", **field)).statuses == (200, 400)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/no/such/path", 404), ("GET", "/api/embed", 405), ("PUT", "/api/ps", 405)]
)
def test_paths_and_methods(beside: Beside, method: str, path: str, status: int) -> None:
    """Ollama answers in plain text, we in the shape of every other error."""
    answers = beside.ask(method, path)

    assert answers.statuses == (status, status)
    assert answers.ollama.headers["Content-Type"].startswith("text/plain")
    assert error_of(answers.bridge)


@pytest.mark.parametrize("path", ["/api/ps", "/v1/models"])
def test_head(beside: Beside, path: str) -> None:
    """Ollama allows HEAD on some routes; here it goes wherever GET does."""
    assert beside.ask("HEAD", path).statuses == (405, 200)


@pytest.mark.parametrize(
    "path", ["/api/generate", "/api/chat", "/api/pull", "/api/create", "/v1/chat/completions", "/v1/completions"]
)
def test_what_does_not_embed(beside: Beside, path: str) -> None:
    """The bridge neither chats nor manages models."""
    answers = beside.post(path, {"model": "none-such", "stream": False, "messages": [], "prompt": ""})

    assert answers.bridge.status_code == 404
    assert answers.bridge.headers["X-Embed-Error"] == "not_found"
    assert "404 page not found" not in answers.ollama.text


@pytest.mark.parametrize("headers", [{"Host": "ollama.internal"}, {"Origin": "app://client"}], ids=str)
def test_host_and_origin(beside: Beside, headers: dict[str, str]) -> None:
    """Ollama lets private names and app schemes in, which a DNS name can be rebound to; we ask for their names."""
    answers = beside.ask("GET", "/api/tags", headers=headers)

    assert answers.statuses == (200, 403)
    assert error_of(answers.bridge)


@pytest.mark.parametrize("path", EMBED_ROUTES)
@pytest.mark.parametrize("field", [{"output_dimension": 64}, {"normalized": False}, {"late_chunking": True}], ids=str)
def test_fields_of_other_services(beside: Beside, path: str, field: dict[str, Any]) -> None:
    """Ollama answers as if they were not there; here a size is obeyed, and what cannot be is refused."""
    answers = beside.post(path, {"model": "demo", "input": "x", **field})

    assert vectors_of(answers.ollama.json()).shape == (1, 2560)
    if "output_dimension" in field:
        assert vectors_of(answers.bridge.json()).shape == (1, 64)
    else:
        assert answers.statuses == (200, 400)
        assert next(iter(field)) in error_of(answers.bridge)


# What is listed


def test_the_list_is_of_what_is_served(beside: Beside) -> None:
    """The one model under its shown and its plain name, with the context that is served and its note."""
    answers = beside.ask("GET", "/api/tags")
    ours = {entry["name"]: entry for entry in answers.bridge.json()["models"]}
    (theirs,) = [entry for entry in answers.ollama.json()["models"] if entry["name"] == "demo:latest"]

    assert list(ours)[:2] == ["demo:stand-in", "demo:latest"]
    assert all(name.startswith("demo@") for name in list(ours)[2:])
    assert ours["demo@query,512:latest"]["details"]["embedding_length"] == 512
    assert theirs["details"]["context_length"] == 40960
    assert ours["demo:latest"]["details"]["context_length"] == 8192
    assert "stand-in" in ours["demo:latest"]["details"]["parent_model"]


def test_show_has_no_vocabulary(beside: Beside) -> None:
    """`verbose` brings a vocabulary of megabytes in Ollama; nothing that embeds reads it."""
    answers = beside.post("/api/show", {"model": "demo", "verbose": True})

    assert answers.ollama.json()["model_info"]["tokenizer.ggml.tokens"]
    assert not answers.bridge.json()["model_info"]["tokenizer.ggml.tokens"]
    assert "tensors" not in answers.bridge.json()


def test_durations(beside: Beside) -> None:
    """`total_duration` is the bridge's own; loading is not a request's affair."""
    answers = beside.agree("/api/embed", body_for("/api/embed", "x"))

    assert answers.bridge.json()["total_duration"] > 0
    assert answers.bridge.json()["load_duration"] == 0


def test_version_says_that_a_bridge_answered(beside: Beside) -> None:
    """Beside the engine's version stands the bridge's."""
    answers = beside.ask("GET", "/api/version")

    assert "bridge" not in answers.ollama.json()
    assert answers.bridge.json()["bridge"]
