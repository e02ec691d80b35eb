"""The exact bytes that reach the engine, read on the engine's side by a recording proxy before a real one.

Every expected text is written out here: nothing that the bridge itself computes says what is right.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from embedstack.bridge.text import prompts
from embedstack.models.demo.build import DemoFiles
from tests.bridge_process import bridge
from tests.engines.process import free_port
from tests.stacks import EMBEDDED, Stacks
from tests.upstreams.llama import llama_child
from tests.upstreams.wires import Wire, Wires, recorded

QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
CLASSIFICATION = "Instruct: Classify the fine-grained category of the given news title\nQuery:"
CLUSTERING = "Instruct: Identify the topic or theme of the given news articles\nQuery:"
STS = "Instruct: Retrieve semantically similar text\nQuery:"
BITEXT = "Instruct: Retrieve parallel sentences\nQuery:"
CODE = (
    "Instruct: Given a question about coding, retrieval code or passage that can solve user's question\nQuery:"
)  # fmt: skip
QA = "Instruct: Given a question, retrieve Wikipedia passages that answer the question\nQuery:"
DEDUP = (
    "Instruct: Given a question, retrieve questions that are semantically equivalent to the given question\nQuery:"
)  # fmt: skip
NOTHING = ""

TASKS = {
    "query": QUERY,
    "document": NOTHING,
    "classification": CLASSIFICATION,
    "clustering": CLUSTERING,
    "sts": STS,
    "bitext": BITEXT,
    "code": CODE,
    "qa": QA,
    "dedup": DEDUP,
}
SYNONYMS = {
    "query": QUERY,
    "search_query": QUERY,
    "retrieval.query": QUERY,
    "retrieval_query": QUERY,
    "query_passage": QUERY,
    "document": NOTHING,
    "passage": NOTHING,
    "search_document": NOTHING,
    "retrieval.passage": NOTHING,
    "retrieval_document": NOTHING,
    "doc": NOTHING,
    "text-matching": STS,
    "semantic_similarity": STS,
    "similarity": STS,
    "separation": CLUSTERING,
    "question_answering": QA,
    "code.query": CODE,
    "nl2code.query": CODE,
    "code_retrieval_query": CODE,
    "code.passage": NOTHING,
    "nl2code.passage": NOTHING,
}
ARTICLE = {
    "query": "为检索生成向量:",
    "document": NOTHING,
    "classification": "为分类生成向量:",
    "clustering": "为聚类生成向量:",
    "sts": STS,
    "bitext": BITEXT,
    "code": "为检索生成向量:",
    "qa": "为检索生成向量:",
    "dedup": "为检索生成向量:",
}

TEXT = "带薪休假 and annual leave"


@pytest.fixture(scope="module")
def wires(engine: str, demo: DemoFiles, stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wires]:
    """Two bridges, each with a configuration of its own, before one recorded engine."""
    with ExitStack() as life:
        own = engine == EMBEDDED
        target = life.enter_context(llama_child(demo.gguf, model="demo")) if own else stacks.upstream(engine).url
        yield life.enter_context(recorded(target, tmp_path_factory.mktemp("wires")))


@pytest.fixture
def plain(wires: Wires) -> Wire:
    """The default style, with tasks and aliases of the user's own."""
    return wires.plain


@pytest.fixture
def chinese(wires: Wires) -> Wire:
    """The article's style, another default, some tasks replaced, special tokens neutralised."""
    return wires.chinese


def utf8(*texts: str) -> list[bytes]:
    return [text.encode() for text in texts]


@pytest.mark.parametrize("task", TASKS)
def test_tasks(plain: Wire, task: str) -> None:
    """Qwen's own instruction before each text of a request; nothing before a document."""
    assert utf8(TASKS[task] + TEXT, TASKS[task] + "second") == plain.sent(TEXT, "second", task=task)


@pytest.mark.parametrize("synonym", SYNONYMS)
def test_synonyms(plain: Wire, synonym: str) -> None:
    """The words of Cohere, Jina, Voyage, NIM, Gemini and sentence-transformers, in any field, in any case."""
    expected = utf8(SYNONYMS[synonym] + TEXT)
    assert expected == plain.sent(TEXT, input_type=synonym)
    assert expected == plain.sent(TEXT, task=synonym.upper())
    assert expected == plain.sent(TEXT, prompt_name=synonym.capitalize())
    assert expected == plain.sent(TEXT, header=synonym)
    assert expected == plain.sent(TEXT, model=f"demo@{synonym}")


def test_no_task_or_synonym_is_left_out_above() -> None:
    """A new synonym needs a line in this file."""
    assert set(prompts.SYNONYMS) == set(SYNONYMS)


def test_a_request_that_says_nothing_is_sent_bare(plain: Wire) -> None:
    """As Ollama itself would embed it."""
    assert utf8(TEXT) == plain.sent(TEXT)


def test_default_may_be_a_query(chinese: Wire) -> None:
    """prompts.default speaks where the request is silent, and only there."""
    assert utf8("为检索生成向量:" + TEXT) == chinese.sent(TEXT)
    assert utf8(TEXT) == chinese.sent(TEXT, header="document")


@pytest.mark.parametrize("task", sorted(ARTICLE.keys() - {"qa", "clustering", "sts"}))
def test_article_style(chinese: Wire, task: str) -> None:
    """The article's prefix where it has one, else Qwen's format."""
    assert utf8(ARTICLE[task] + TEXT) == chinese.sent(TEXT, task=task)


def test_replaced_tasks(chinese: Wire) -> None:
    """Another instruction for a built-in task goes through the format, keeps its symmetry, and may be none at all."""
    handbook = "Instruct: Given a question about the handbook, retrieve its paragraphs\nQuery:"
    assert utf8(handbook + TEXT) == chinese.sent(TEXT, task="qa")
    assert utf8(TEXT) == chinese.sent(TEXT, task="qa", input_type="document")
    tickets = "Instruct: Group the tickets by product\nQuery:"
    assert utf8(tickets + TEXT) == chinese.sent(TEXT, task="clustering", input_type="document")
    assert utf8(TEXT) == chinese.sent(TEXT, task="sts")


def test_own_tasks(plain: Wire) -> None:
    """A user's task is asymmetric unless it says otherwise; its instruction is normalised like any text."""
    legal = "Instruct: Given a legal question, retrieve the statutes that answer it\nQuery:"
    assert utf8(legal + TEXT) == plain.sent(TEXT, task="legal")
    assert utf8(TEXT) == plain.sent(TEXT, task="legal", input_type="passage")
    reviews = "Instruct: Tell good reviews from bad ones\nQuery:"
    assert utf8(reviews + TEXT) == plain.sent(TEXT, task="reviews")
    assert utf8(reviews + TEXT) == plain.sent(TEXT, task="reviews", input_type="document")
    assert plain.sent("x", task="accents") == [b"Instruct: Trouve le caf\xc3\xa9\nQuery:x"]


@pytest.mark.parametrize("style", ["plain", "chinese"])
def test_an_instruction_in_the_request_wins(wires: Wires, style: str) -> None:
    """Over fields, header, alias and style."""
    wire: Wire = getattr(wires, style)
    expected = utf8(f"Instruct: Find the bug\nQuery:{TEXT}")
    assert expected == wire.sent(TEXT, instruction="Find the bug")
    assert expected == wire.sent(
        TEXT, instruction="Find the bug", input_type="query", header="bitext", model="demo@dedup"
    )
    assert wire.sent("x", instruction="e\u0301") == [b"Instruct: \xc3\xa9\nQuery:x"]


def test_first_that_speaks_is_heard(plain: Wire) -> None:
    """Body, then header, then the model's name, then the default."""
    assert utf8(DEDUP + TEXT) == plain.sent(TEXT, input_type="dedup", header="sts", model="demo@bitext")
    assert utf8(STS + TEXT) == plain.sent(TEXT, header="sts", model="demo@bitext")
    assert utf8(BITEXT + TEXT) == plain.sent(TEXT, model="demo@bitext")


def test_role_and_task_add_up(plain: Wire) -> None:
    """A role from one field and a task from another are one wish."""
    assert utf8(CODE + TEXT) == plain.sent(TEXT, input_type="query", task="code")
    assert utf8(TEXT) == plain.sent(TEXT, input_type="document", task="code")
    assert utf8(CLASSIFICATION + TEXT) == plain.sent(TEXT, input_type="search_document", task="classification")


def test_a_contradiction_sends_nothing(plain: Wire) -> None:
    """Nor does a role that nobody knows: the engine hears of neither."""
    for fields in ({"input_type": "query", "task": "retrieval.passage"}, {"prompt_name": "sts", "task": "bitext"}):
        response = plain.post("/api/embed", {"model": "demo", "input": TEXT, **fields})
        assert (response.status_code, response.headers["X-Embed-Error"]) == (400, "contradictory_roles")
        assert plain.recorder.texts == []
    response = plain.post("/api/embed", {"model": "demo", "input": TEXT, "input_type": "quary"})
    assert (response.status_code, response.headers["X-Embed-Error"]) == (400, "unknown_role")
    assert plain.recorder.texts == []


@pytest.mark.parametrize(
    ("model", "prefix", "dimensions"),
    [
        ("demo@query", QUERY, 2560),
        ("demo@query,256", QUERY, 256),
        ("demo@256,query", QUERY, 256),
        ("demo@64", NOTHING, 64),
        ("Demo:latest@Classification", CLASSIFICATION, 2560),
        ("rag-query", QUERY, 256),
        ("rag-query:latest", QUERY, 256),
        ("rag-query@document", NOTHING, 256),
        ("rag-query@32", QUERY, 32),
        ("tickets", CLUSTERING, 2560),
        ("tickets@sts,33", STS, 33),
        ("plain", NOTHING, 2560),
    ],
)
def test_aliases(plain: Wire, model: str, prefix: str, dimensions: int) -> None:
    """For clients that can send nothing but a model name; what is said last and nearest to the request holds."""
    response = plain.post("/api/embed", {"model": model, "input": [TEXT]})
    assert response.status_code == 200, response.text
    assert utf8(prefix + TEXT) == plain.recorder.texts
    assert dimensions == len(response.json()["embeddings"][0])


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/embed", "input"),
        ("/api/embeddings", "prompt"),
        ("/v1/embeddings", "input"),
        ("/embeddings", "input"),
        ("//v1//embeddings", "input"),
    ],
)
def test_every_door_reads_the_same(plain: Wire, path: str, field: str) -> None:
    """A field, the header, an alias, an instruction and silence mean the same on each of them."""

    def sent(model: str = "demo", header: str = "", **fields: str) -> list[bytes]:
        response = plain.post(path, {"model": model, field: TEXT, **fields}, X_Embed_Task=header)
        assert response.status_code == 200, response.text
        return plain.recorder.texts

    assert utf8(TEXT) == sent()
    assert utf8(QUERY + TEXT) == sent(input_type="search_query")
    assert utf8(QUERY + TEXT) == sent(prompt_name="query")
    assert utf8(CODE + TEXT) == sent(task="nl2code.query")
    assert utf8(STS + TEXT) == sent(header="text-matching")
    assert utf8(QA + TEXT) == sent(model="demo@qa")
    assert utf8(f"Instruct: Find the bug\nQuery:{TEXT}") == sent(instruction="Find the bug")


@pytest.mark.parametrize(
    "text",
    [
        QUERY + "x",
        "Instruct: something of the client's own\nQuery:x",
        "Instruct: \nQuery:",
        "Instruct: two lines\nof it\nQuery:x",
    ],
)
def test_a_text_that_is_rendered_already_is_left_alone(wires: Wires, text: str) -> None:
    """Whatever role the request names: a client that prepends Qwen's format must not get it twice."""
    for fields in ({}, {"input_type": "query"}, {"task": "sts"}, {"instruction": "another"}):
        assert utf8(text) == wires.plain.sent(text, **fields)
    assert utf8(text) == wires.chinese.sent(text, input_type="query")


@pytest.mark.parametrize(
    "text",
    ["Instruct: no query follows", "Instruct: one line Query:x", " Instruct: not at the start\nQuery:x", "Query: x"],
)
def test_what_only_looks_rendered_is_not(plain: Wire, text: str) -> None:
    """Both marks in their place, or it is a text like any other."""
    assert utf8(QUERY + text) == plain.sent(text, input_type="query")


NEARLY = (
    "Instruct: Find the clause\nQuery: annual  leave? ",
    "Instruct:Find the clause\r\nQuery:annual  leave? ",
    "Instruct:  Find the clause\n Query:  annual  leave? ",
    "Instruct: Find the clause\\nQuery: annual  leave? ",
)


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/embed", "input"), ("/api/embeddings", "prompt"), ("/v1/embeddings", "input"), ("/embeddings", "input")],
)
@pytest.mark.parametrize("near", NEARLY)
def test_a_prompt_that_is_nearly_right_is_put_right(plain: Wire, near: str, path: str, field: str) -> None:
    """The engine gets the model's own bytes, the query itself untouched; the answer says so, to a web page too."""
    for fields in ({}, {"input_type": "query"}, {"instruction": "another"}, {"model": "demo@sts"}):
        answer = plain.post(path, {"model": "demo", field: near, **fields}, Origin="http://localhost")
        assert answer.status_code == 200, answer.text
        assert utf8("Instruct: Find the clause\nQuery:annual  leave? ") == plain.recorder.texts
        assert answer.headers["X-Embed-Corrected"] == "0"
        assert "X-Embed-Corrected" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("near", NEARLY)
def test_a_document_is_never_corrected(plain: Wire, near: str) -> None:
    """By field, header or model's name: it may be about prompts."""
    assert utf8(near) == plain.sent(near, input_type="document")
    assert utf8(near) == plain.sent(near, header="passage")
    assert utf8(near) == plain.sent(near, model="demo@document")
    answer = plain.post("/api/embed", {"model": "demo", "input": near, "input_type": "document"})
    assert "X-Embed-Corrected" not in answer.headers


def test_what_was_corrected_is_named_by_its_place(plain: Wire) -> None:
    """In the header, in the trace and in /v1/render; a text that is right is not among them."""
    texts = [NEARLY[0], "Instruct: x\nQuery:y", "annual leave", NEARLY[1]]
    answer = plain.post("/api/embed", {"model": "demo", "input": texts})
    rendered = plain.post("/v1/render", {"model": "demo", "input": texts}).json()["texts"]
    record = requests.get(f"{plain.bridge.url}/v1/trace", timeout=30).json()["records"][-1]

    assert answer.headers["X-Embed-Corrected"] == "0,3"
    assert [text["corrected"] for text in rendered] == [True, False, False, True]
    assert rendered[0]["text"] == "Instruct: Find the clause\nQuery:annual  leave? "
    assert (record["corrected"], record["texts"]) == (2, 4)


STYLE = """\
styles:
  spaced: {template: "Instruct: {instruction}\\nQuery: {text}"}
models: {}
"""


@pytest.mark.parametrize(
    ("setting", "seen"),
    [
        ("prompts.correct=false", "Instruct: x\nQuery: y"),
        ("prompts.style=spaced", "Instruct: x\nQuery: y"),
        ("prompts.style=article-zh", "Instruct: x\nQuery:y"),
    ],
)
def test_it_can_be_turned_off_and_is_each_styles_own(tmp_path: Path, setting: str, seen: str) -> None:
    """Off, or for a model that was trained with the space, a prompt stays as it came."""
    (tmp_path / "catalog.yaml").write_text(STYLE)
    sets = [f"model.catalog={tmp_path / 'catalog.yaml'}", "model.id=demo", setting]
    arguments = [part for each in sets for part in ("--set", each)]
    with bridge("--upstream", f"http://127.0.0.1:{free_port()}", *arguments, wait_ready=False) as running:
        body = {"model": "demo", "input": "Instruct: x\nQuery: y", "input_type": "query"}
        assert [text["text"] for text in running.post("/v1/render", body).json()["texts"]] == [seen]


def test_article_prefix_is_not_doubled(chinese: Wire) -> None:
    """The prefix that would be put there now, and no other task's."""
    assert utf8("为检索生成向量:x") == chinese.sent("为检索生成向量:x", input_type="query")
    assert utf8("为检索生成向量:为分类生成向量:x") == chinese.sent("为分类生成向量:x", input_type="query")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", b"\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4"),  # 한국어
        ("cafe\u0301", b"caf\xc3\xa9"),
        ("\u304b\u3099", b"\xe3\x81\x8c"),  # が
        ("\u212b", b"\xc3\x85"),  # the Ångström sign
        ("\u1e9b\u0323", b"\xe1\xba\x9b\xcc\xa3"),  # NFC, not NFKC
        ("\uff21\u2460", b"\xef\xbc\xa1\xe2\x91\xa0"),  # full width and circled stay
        # Marks newer than the tables of Qwen's tokenizer: to it they are letters, which nothing is moved across.
        ("\u0628\u08d3\u064e", b"\xd8\xa8\xe0\xa3\x93\xd9\x8e"),
        ("\u0995\u09fe\u09bc", b"\xe0\xa6\x95\xe0\xa7\xbe\xe0\xa6\xbc"),
        ("\u0c15\u0c4d\u0c3c", b"\xe0\xb0\x95\xe0\xb1\x8d\xe0\xb0\xbc"),
        ("\U00011935\U00011930", b"\xf0\x91\xa4\xb5\xf0\x91\xa4\xb0"),
    ],
)
def test_texts_are_composed(plain: Wire, text: str, expected: bytes) -> None:
    """NFC, as Qwen's own tokenizer does and llama.cpp's does not."""
    assert [expected] == plain.sent(text)
    assert [QUERY.encode() + expected] == plain.sent(text, input_type="query")


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (rb"a\ud800b", b"a\xef\xbf\xbdb"),
        (rb"\udc00\ud800", b"\xef\xbf\xbd\xef\xbf\xbd"),
        (rb"\ud83d\ude00\ud83d", b"\xf0\x9f\x98\x80\xef\xbf\xbd"),
        (rb"cafe\u0301\udfff", b"caf\xc3\xa9\xef\xbf\xbd"),
    ],
)
@pytest.mark.parametrize(
    ("path", "field"), [("/api/embed", b"input"), ("/api/embeddings", b"prompt"), ("/v1/embeddings", b"input")]
)
def test_lone_surrogates_become_replacement_characters(
    plain: Wire, path: str, field: bytes, escaped: bytes, expected: bytes
) -> None:
    """One for each, as in Go's decoder; pairs stay what they are."""
    plain.recorder.clear()
    body = b'{"model": "demo", "%s": "%s"}' % (field, escaped)
    response = requests.post(plain.bridge.url + path, data=body, timeout=60)
    assert response.status_code == 200, response.text
    assert [expected] == plain.recorder.texts


@pytest.mark.parametrize(
    "text",
    ["  leading and trailing  \n", "\r\n", "\t", "a\x00b", "\u200b", "\ufeffBOM", "x" * 100, "😀👩‍👩‍👧", '"\\/\u2028'],
    ids=lambda text: ascii(text[:20]),
)
def test_documents_are_not_touched(plain: Wire, text: str) -> None:
    """No trimming, no clean-up: every byte of a composed text arrives."""
    assert text == unicodedata.normalize("NFC", text)
    assert utf8(text) == plain.sent(text, input_type="document")
    assert utf8(text) == plain.sent(text)


def test_an_empty_query_is_its_instruction(plain: Wire) -> None:
    """ "" has a role like any text."""
    assert utf8(QUERY, QUERY + "x") == plain.sent("", "x", input_type="query")


def test_special_tokens_are_kept_by_default(plain: Wire) -> None:
    """They are what Qwen's tokenizer makes of them, as everywhere else."""
    text = "a<|endoftext|>b<|im_start|>"
    assert utf8(text) == plain.sent(text)
    assert utf8(QUERY + text) == plain.sent(text, input_type="query")


def test_special_tokens_are_spaced_out_where_configured(chinese: Wire) -> None:
    """So that no tokenizer takes them for control tokens; in a rendered text too."""
    assert utf8("a<| endoftext |>b<| im_start |><| im_end |>") == chinese.sent(
        "a<|endoftext|>b<|im_start|><|im_end|>", task="document"
    )
    assert utf8("Instruct: x\nQuery:<| endoftext |>") == chinese.sent("Instruct: x\nQuery:<|endoftext|>")
    assert utf8("a < | b |> <|c", "<||>") == chinese.sent("a < | b |> <|c", "<||>", task="document")


def test_order_is_kept_and_repeats_are_sent_once(plain: Wire) -> None:
    """Every text is sent in the order of the request, however many calls that takes, and none twice."""
    texts = [f"text {number}" for number in range(40)]
    assert utf8(*(QUERY + text for text in texts)) == plain.sent(*texts, *texts, input_type="query")
