"""Every way in which a text goes from Open WebUI to the engine, on both of its own engines: which role it arrives with.

What is compared is what the real engine reads, on its side of the bridge, whose cache is on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.e2e.open_webui import OpenWebui, open_webui
from tests.engines.run import ollama_create, ollama_server
from tests.upstreams.chat_model import MODEL, chat_model
from tests.upstreams.recorder import Recorder, recorder

QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
HOLIDAY, TRAVEL = "员工每年享有十五天带薪休假。", "差旅费用凭发票报销。"
QUESTION = "公司年假政策有哪些?"


@dataclass(frozen=True)
class Way:
    """Open WebUI on one of its engines. No two texts of the tests are the same: the bridge would know it already."""

    engine: str
    webui: OpenWebui
    recorder: Recorder

    def own(self, text: str) -> str:
        """The text as nobody else says it."""
        return f"{self.engine}: {text}"

    def reached(self) -> list[str]:
        """What the engine has read since the last time, sorted."""
        read, self.recorder.texts = self.recorder.texts, []
        return sorted(text.decode() for text in read)

    def filed(self, what: str, *texts: str) -> str:
        """A knowledge base of these files, whatever the engine has read for it forgotten."""
        knowledge = self.webui.knowledge(self.own(what))
        for number, text in enumerate(texts):
            self.webui.upload(f"{what}-{number}.txt", text.encode(), knowledge=knowledge)
        self.recorder.clear()
        return knowledge


@pytest.fixture(scope="module")
def both(demo: DemoFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenWebui, Recorder, str]]:
    """Open WebUI, what is written down before a real Ollama, and the URL of the bridge between them."""
    folder = tmp_path_factory.mktemp("roles")
    with ExitStack() as running:
        ollama = running.enter_context(ollama_server(folder / "models"))
        ollama_create(ollama, "demo", demo.gguf)
        url, recording = running.enter_context(recorder(ollama.url))
        known = ("--set", "model.id=demo", "--set", "model.precision=f16")
        front = running.enter_context(bridge("--upstream", url, *known, cached=True))
        chat, _ = running.enter_context(chat_model())
        talks = {"ENABLE_OLLAMA_API": "True", "OLLAMA_BASE_URL": chat}
        webui = running.enter_context(open_webui(folder / "webui", front.url, environ=talks))
        yield webui, recording, front.url


@pytest.fixture(scope="module", params=["ollama", "openai"])
def way(both: tuple[OpenWebui, Recorder, str], request: pytest.FixtureRequest) -> Way:
    """Each of its engines in turn, set as its administrator does."""
    webui, recording, url = both
    addresses = {"ollama_config": {"url": url, "key": ""}, "openai_config": {"url": f"{url}/v1", "key": ""}}
    pace = {"RAG_EMBEDDING_BATCH_SIZE": 16, "ENABLE_ASYNC_EMBEDDING": True, "RAG_EMBEDDING_CONCURRENT_REQUESTS": 2}
    model = {"RAG_EMBEDDING_ENGINE": request.param, "RAG_EMBEDDING_MODEL": "demo"}
    webui.ask("POST", "/api/v1/retrieval/embedding/update", {**model, **pace, **addresses})
    recording.clear()
    return Way(request.param, webui, recording)


def test_documents(way: Way) -> None:
    """A knowledge base's name, and a file that is embedded for itself and for the knowledge base: read once, bare."""
    knowledge = way.webui.knowledge(way.own("handbook"))
    way.webui.upload("holiday.txt", way.own(HOLIDAY).encode(), knowledge=knowledge)

    name = way.own("handbook")
    assert way.reached() == sorted([f"{name}\n\nabout {name}", way.own(HOLIDAY)])


def test_a_question(way: Way) -> None:
    """Read once, with Qwen's instruction; it finds what is meant."""
    knowledge = way.filed("questions", way.own(f"{HOLIDAY}第二章"), way.own(f"{TRAVEL}第二章"))

    found = [way.webui.found(knowledge, way.own(QUESTION), k=1)[0] for _ in range(2)]

    assert found == [way.own(f"{HOLIDAY}第二章")] * 2
    assert way.reached() == [QUERY + way.own(QUESTION)]


def test_memories(way: Way) -> None:
    """A memory is a document, what is looked for in them a query."""
    way.webui.ask("POST", "/api/v1/memories/add", {"content": way.own("I have eleven days of leave left.")})
    added = way.reached()
    asked = way.own("how much holiday is left?")
    answer = way.webui.ask("POST", "/api/v1/memories/query", {"content": asked, "k": 1})

    assert added == [way.own("I have eleven days of leave left.")]
    assert way.reached() == [QUERY + asked]
    assert "eleven days" in answer["documents"][0][0]


def test_hybrid_search(way: Way) -> None:
    """It asks for the question twice and for each candidate again, which the engine has read: only the question is new,
    and a text of several lines, which was one line as it was filed.
    """
    lines = way.own(f"{TRAVEL}\n第三章")
    knowledge = way.filed("hybrid", way.own(f"{HOLIDAY}第三章"), lines)
    way.webui.ask("POST", "/api/v1/retrieval/config/update", {"ENABLE_RAG_HYBRID_SEARCH": True})
    try:
        found = way.webui.found(knowledge, way.own(f"第三章:{QUESTION}"))
    finally:
        way.webui.ask("POST", "/api/v1/retrieval/config/update", {"ENABLE_RAG_HYBRID_SEARCH": False})

    assert found[0] == way.own(f"{HOLIDAY}第三章")
    assert way.reached() == sorted([QUERY + way.own(f"第三章:{QUESTION}"), lines])


def test_chat(way: Way) -> None:
    """What a person asks a model is a query; the paragraph found is what the model is given to read."""
    knowledge = way.filed("chat", way.own(f"{HOLIDAY}第四章"))
    said = {"role": "user", "content": way.own(f"第四章:{QUESTION}")}
    files = [{"type": "collection", "id": knowledge}]

    body = {"model": MODEL, "stream": False, "messages": [said], "files": files}
    answer = way.webui.ask("POST", "/api/chat/completions", body)

    assert way.own(f"{HOLIDAY}第四章") in answer["choices"][0]["message"]["content"]
    assert [source["document"] for source in answer["sources"]] == [[way.own(f"{HOLIDAY}第四章")]]
    assert way.reached() == [QUERY + said["content"]]
