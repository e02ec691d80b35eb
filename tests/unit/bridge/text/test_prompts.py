"""The exact bytes that each task, role, synonym, alias, header and style put before a text."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.errors import BadRequest
from embedstack.bridge.request import NO_HINTS, PromptHints
from embedstack.bridge.text.prompts import ROLE_FIELDS, SYNONYMS, Prompts, Rendered
from embedstack.bridge.text.text import normalise
from embedstack.models import catalog
from embedstack.models.catalog import PromptStyle, Task

CATALOG = catalog.load()
MODEL = CATALOG.models["qwen3-embedding:4b"]
TEXT = "公司年假政策有哪些？ Is it 15 days?"

# Qwen's own instructions, spelling mistakes included (QwenLM/Qwen3-Embedding, model card and evaluation/).
QUERY = b"Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
CLASSIFICATION = b"Instruct: Classify the fine-grained category of the given news title\nQuery:"
CLUSTERING = b"Instruct: Identify the topic or theme of the given news articles\nQuery:"
STS = b"Instruct: Retrieve semantically similar text\nQuery:"
BITEXT = b"Instruct: Retrieve parallel sentences\nQuery:"
CODE = b"Instruct: Given a question about coding, retrieval code or passage that can solve user's question\nQuery:"
QA = b"Instruct: Given a question, retrieve Wikipedia passages that answer the question\nQuery:"
DEDUP = b"Instruct: Given a question, retrieve questions that are semantically equivalent to the given question\nQuery:"
BARE = b""

# By task: the prefix on the query's side and on the document's.
TASKS = {
    "query": (QUERY, None),
    "document": (None, BARE),
    "classification": (CLASSIFICATION, CLASSIFICATION),
    "clustering": (CLUSTERING, CLUSTERING),
    "sts": (STS, STS),
    "bitext": (BITEXT, BITEXT),
    "code": (CODE, BARE),
    "qa": (QA, BARE),
    "dedup": (DEDUP, BARE),
}
# By what other APIs call it: the prefix. Cohere, Jina, Voyage, NVIDIA NIM, Gemini, sentence-transformers.
MEANINGS = {
    "query": QUERY,
    "search_query": QUERY,
    "retrieval.query": QUERY,
    "retrieval_query": QUERY,
    "query_passage": QUERY,
    "document": BARE,
    "doc": BARE,
    "passage": BARE,
    "search_document": BARE,
    "retrieval.passage": BARE,
    "retrieval_document": BARE,
    "text-matching": STS,
    "semantic_similarity": STS,
    "similarity": STS,
    "separation": CLUSTERING,
    "question_answering": QA,
    "code.query": CODE,
    "nl2code.query": CODE,
    "code_retrieval_query": CODE,
    "code.passage": BARE,
    "nl2code.passage": BARE,
}
# What an application written for one of these services sends, and must get without a change.
PROVIDERS = {
    "cohere": {
        "search_query": QUERY,
        "search_document": BARE,
        "classification": CLASSIFICATION,
        "clustering": CLUSTERING,
    },
    "jina": {
        "retrieval.query": QUERY,
        "retrieval.passage": BARE,
        "text-matching": STS,
        "classification": CLASSIFICATION,
        "separation": CLUSTERING,
    },
    "voyage": {"query": QUERY, "document": BARE},
    "nim": {"query": QUERY, "passage": BARE},
    "gemini": {
        "RETRIEVAL_QUERY": QUERY,
        "RETRIEVAL_DOCUMENT": BARE,
        "SEMANTIC_SIMILARITY": STS,
        "CLASSIFICATION": CLASSIFICATION,
        "CLUSTERING": CLUSTERING,
        "QUESTION_ANSWERING": QA,
        "CODE_RETRIEVAL_QUERY": CODE,
    },
}
CHINESE = {
    "query": "为检索生成向量:",
    "qa": "为检索生成向量:",
    "code": "为检索生成向量:",
    "dedup": "为检索生成向量:",
    "classification": "为分类生成向量:",
    "clustering": "为聚类生成向量:",
    "document": "",
    "sts": STS.decode(),
    "bitext": BITEXT.decode(),
}


def prompts(
    *,
    style: str = "qwen3",
    own: dict[str, Task] | None = None,
    default: str = "document",
    neutralise: bool = False,
    correct: bool = True,
) -> Prompts:
    tasks = {**MODEL.tasks, **(own or {})}
    return Prompts(tasks, CATALOG.styles[style], own=own or (), default=default, neutralise=neutralise, correct=correct)


def body(**fields: str) -> PromptHints:
    """What a request with these body fields says of its role."""
    instruction = fields.pop("instruction", None)
    return PromptHints(tuple(fields.items()), instruction)


def final(
    hints: PromptHints = NO_HINTS, alias: str | None = None, text: str = TEXT, of: Prompts | None = None
) -> bytes:
    """The bytes that the engine would get."""
    of = of or prompts()
    return of.rendered([text], of.resolve(hints, alias)).texts[0].encode()


# --- tasks ------------------------------------------------------------------------------------------------------


def test_every_task_of_every_model_is_in_the_table() -> None:
    """A task that is added to the catalogue must be added here, with its bytes."""
    assert all(set(TASKS) == set(model.tasks) for name, model in CATALOG.models.items() if name.startswith("qwen3"))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("field", ROLE_FIELDS)
def test_a_task_alone_means_its_prefixed_side(task: str, field: str) -> None:
    """`task: code` without a role is a query; `document` is bare; a symmetric task prefixes whatever it gets."""
    query, document = TASKS[task]

    assert (query or document or BARE) + TEXT.encode() == final(body(**{field: task}))


@pytest.mark.parametrize("task", [name for name, (query, document) in TASKS.items() if query and document is not None])
@pytest.mark.parametrize(("role", "side"), [("query", 0), ("document", 1)])
def test_role_and_task_together(task: str, role: str, side: int) -> None:
    """A symmetric task prefixes queries and documents alike, any other leaves documents bare."""
    assert (TASKS[task][side] or b"") + TEXT.encode() == final(body(input_type=role, task=task))


def test_the_format_is_qwens_to_the_byte() -> None:
    """One space after `Instruct:`, a real newline, none after `Query:`, nothing after the text."""
    assert final(body(input_type="query"), text="What is the capital of China?") == (
        b"Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        b"Query:What is the capital of China?"
    )


# --- synonyms ---------------------------------------------------------------------------------------------------


def test_every_synonym_is_in_the_table() -> None:
    """A synonym that is added must be added here, with what it means."""
    assert set(MEANINGS) == set(SYNONYMS)


SAY: dict[str, Callable[[str], tuple[PromptHints, str | None]]] = {
    "input_type": lambda value: (body(input_type=value), None),
    "task": lambda value: (body(task=value), None),
    "prompt_name": lambda value: (body(prompt_name=value), None),
    "header": lambda value: (PromptHints(header=value), None),
    "alias": lambda value: (NO_HINTS, value),
}


@pytest.mark.parametrize("way", SAY)
@pytest.mark.parametrize("name", MEANINGS)
def test_a_synonym_means_the_same_wherever_it_is_said(name: str, way: str) -> None:
    """In each body field, in the header and in an alias; in any case, with blanks around it."""
    for spelling in (name, name.upper(), f" {name.title()} "):
        hints, alias = SAY[way](spelling)

        assert MEANINGS[name] + TEXT.encode() == final(hints, alias)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_providers_values_work_as_they_are(provider: str) -> None:
    """A client written for another embedding service needs no change."""
    expected = {name: prefix + TEXT.encode() for name, prefix in PROVIDERS[provider].items()}

    assert expected == {name: final(body(input_type=name)) for name in expected}


# --- where the role comes from ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [ways for n in range(4) for ways in itertools.combinations(range(3), n)])
def test_the_first_that_speaks_wins(said: tuple[int, ...]) -> None:
    """Body before header before alias before the default; the answer names which it was."""
    hints = PromptHints(fields=(("input_type", "query"),) if 0 in said else (), header="sts" if 1 in said else None)
    found = prompts(default="clustering").resolve(hints, "code" if 2 in said else None)

    sources = ("body input_type", "header X-Embed-Task", "model alias", "default")
    prefixes = (QUERY, STS, CODE, CLUSTERING)
    first = min(said, default=3)
    assert (sources[first], prefixes[first].decode()) == (found.source, found.prefix)


def test_without_a_word_a_text_is_a_document() -> None:
    """A bare embed call is what Ollama itself would have answered."""
    assert TEXT.encode() == final()


@pytest.mark.parametrize(("default", "prefix"), [("query", QUERY), ("passage", BARE), ("STS", STS)])
def test_the_default_can_be_configured(default: str, prefix: bytes) -> None:
    """Any role, task or synonym may be what holds where a request does not say."""
    assert prefix + TEXT.encode() == final(of=prompts(default=default))


# --- free instructions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hints",
    [
        body(instruction="Find the clause"),
        body(instruction="Find the clause", input_type="query"),
        body(instruction="Find the clause", input_type="document"),
        body(instruction="Find the clause", task="classification"),
        PromptHints(instruction="Find the clause", header="document"),
    ],
)
def test_an_instruction_in_the_request_wins(hints: PromptHints) -> None:
    """Anyone who writes the instruction out means it, whatever role stands beside it."""
    assert b"Instruct: Find the clause\nQuery:" + TEXT.encode() == final(hints, "sts")


@pytest.mark.parametrize("style", ["qwen3", "article-zh"])
def test_an_instruction_goes_through_qwens_format_in_every_style(style: str) -> None:
    """The Chinese prefixes are fixed words; an instruction of one's own cannot go into them."""
    assert final(body(instruction="x"), text="y", of=prompts(style=style)) == b"Instruct: x\nQuery:y"


def test_an_instruction_is_normalised_and_otherwise_left_alone() -> None:
    """NFC and no surrogates, as in texts; braces and newlines are the client's own. What is shown of it is the same."""
    sent, seen = "e\u0301\ud800 {text}\nb", "é\ufffd {text}\nb"

    assert f"Instruct: {seen}\nQuery:y".encode() == final(body(instruction=sent), text="y")
    assert seen == prompts().resolve(body(instruction=sent)).instruction


@pytest.mark.parametrize(
    ("fields", "role"), [({}, "query"), ({"task": "sts"}, "query"), ({"input_type": "passage"}, "document")]
)
def test_an_instruction_changes_no_role(fields: dict[str, str], role: str) -> None:
    """What is reported of the request is what it said; an instruction alone is for a query."""
    assert role == prompts().resolve(body(instruction="x", **fields)).role


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_instruction_asks_for_no_prefix(empty: str) -> None:
    """It is a word too, and stronger than the role beside it."""
    assert TEXT.encode() == final(body(instruction=empty, input_type="query"), "sts")


# --- contradictions and mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"input_type": "query", "task": "document"},
        {"input_type": "search_query", "prompt_name": "passage"},
        {"input_type": "classification", "task": "clustering"},
        {"task": "sts", "prompt_name": "separation"},
        {"input_type": "query", "task": "code", "prompt_name": "document"},
        {"input_type": "code.query", "task": "qa"},
        {"input_type": "query", "prompt_name": "document", "instruction": "x"},
    ],
)
def test_a_body_that_contradicts_itself_is_refused(fields: dict[str, str]) -> None:
    """The message repeats what was sent and where, so that the client's author sees it at once."""
    with pytest.raises(BadRequest) as refused:
        prompts().resolve(body(**fields))

    assert refused.value.code == "contradictory_roles"
    said = {name: value for name, value in fields.items() if name != "instruction"}
    assert all(f"{name}={value!r}" in refused.value.message for name, value in said.items())


@pytest.mark.parametrize(
    ("fields", "prefix"),
    [
        ({"input_type": "query", "task": "retrieval.query", "prompt_name": "search_query"}, QUERY),
        ({"input_type": "query", "task": "code", "prompt_name": "code.query"}, CODE),
        ({"input_type": "passage", "task": "code"}, BARE),
        ({"input_type": "document", "task": "similarity"}, STS),
    ],
)
def test_fields_that_agree_are_taken_together(fields: dict[str, str], prefix: bytes) -> None:
    """Two names of one thing, or a role and a task, contradict nothing."""
    assert prefix + TEXT.encode() == final(body(**fields))


@pytest.mark.parametrize(
    ("way", "where"),
    [
        ("input_type", "input_type"),
        ("task", "task"),
        ("prompt_name", "prompt_name"),
        ("header", "header X-Embed-Task"),
        ("alias", "model alias"),
    ],
)
def test_an_unknown_role_is_refused_with_the_nearest(way: str, where: str) -> None:
    """The message says where it stood, what is near, and everything that is known."""
    hints, alias = SAY[way]("serch_query")
    with pytest.raises(BadRequest) as refused:
        prompts().resolve(hints, alias)

    assert refused.value.code == "unknown_role"
    assert refused.value.message == f"{where} is 'serch_query', which is not a known role or task."
    assert "Did you mean 'search_query'?" in refused.value.advice
    assert all(name in refused.value.advice for name in (*TASKS, *MEANINGS, "`instruction`"))


def test_a_very_long_role_makes_no_long_message() -> None:
    """A megabyte that was sent is not sent back."""
    with pytest.raises(BadRequest) as refused:
        prompts().resolve(body(input_type="q" * 1_000_000))

    assert len(str(refused.value)) < 1000


# --- prefixes that are already there ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        QUERY.decode() + TEXT,
        CODE.decode() + TEXT,
        "Instruct: 找出答案\nQuery:" + TEXT,
        "Instruct: x\nQuery:",
        "Instruct: two lines\nof it\nQuery:x",
        "Instruct: x\nQuery:\n  indented",
    ],
)
@pytest.mark.parametrize("correct", [True, False])
def test_a_text_that_carries_qwens_format_is_left_alone(text: str, *, correct: bool) -> None:
    """A client that prefixes by itself gets neither a second prefix nor another one."""
    assert text.encode() == final(body(input_type="query"), text=text, of=prompts(correct=correct))


@pytest.mark.parametrize(
    "text",
    [
        "Instruct: x",
        "instruct: x\nQuery:y",
        "Query:x",
        "Query: x",
        " Instruct: x\nQuery:y",
        "Instruct: x Query:y",
        "Instruct: x Query: y",
        "Instruct: x\nquery: y",
        "Instruct: x\nQuery： y",
        "Instruct：x\nQuery: y",
        "Instruct: x\nThe Query: y",
        "Instruction: x\nQuery: y",
    ],
)
def test_a_text_that_only_looks_like_it_is_prefixed(text: str) -> None:
    """Half the format, or another, is a text like any other."""
    assert QUERY + text.encode() == final(body(input_type="query"), text=text)
    assert text.encode() == final(text=text)


@pytest.mark.parametrize("style", ["qwen3", "article-zh"])
@given(text=st.text(st.characters(codec=None, exclude_categories=())), name=st.sampled_from(sorted(TASKS)))
def test_rendering_twice_is_rendering_once(style: str, text: str, name: str) -> None:
    """For every text, task and style; and a text that was not prefixed before is kept whole after the prefix. A text
    that begins with a blank is one where prompts are not corrected.
    """
    made = prompts(style=style, neutralise=True, correct=text[:1] not in (" ", "\t"))
    prompt = made.resolve(body(task=name))
    once = made.rendered([text], prompt).texts[0]

    assert once.endswith(made.rendered([text], made.resolve(body(task="document"))).texts[0])
    assert made.rendered([once], prompt).texts[0] == once


# --- prompts that are nearly right --------------------------------------------------------------------------------

HEADS = ("Instruct: ", "Instruct:", "Instruct:  ", "Instruct:\t", "Instruct: \n")
BREAKS = ("\n", "\r\n", "\r", "\n\n", "\n ", " \n", "\n\t", "\\n", "\\n ", "  \r\n  ")
MARKS = ("Query:", "Query: ", "Query:  ", "Query:\t")
ASKING = [NO_HINTS, body(input_type="query"), body(task="classification"), body(instruction="z"), body(instruction="")]


@pytest.mark.parametrize("hints", ASKING, ids=str)
def test_a_prompt_that_is_nearly_right_is_put_right(hints: PromptHints) -> None:
    """Blanks around the marks and other line breaks, each with each other, whatever role the request names or none."""
    made = prompts()
    near = [f"{head}Find the clause{line}{mark}{TEXT}" for head in HEADS for line in BREAKS for mark in MARKS]
    rendered = made.rendered(near, made.resolve(hints))

    assert set(rendered.texts) == {f"Instruct: Find the clause\nQuery:{TEXT}"}
    assert rendered.corrected == tuple(range(1, len(near))), "all but the first, which is right"


@given(query=st.text().filter(lambda text: text[:1] not in (" ", "\t")), line=st.sampled_from(BREAKS))
def test_the_query_itself_stays_as_it_is(query: str, line: str) -> None:
    """To the byte, with whatever marks and line breaks of its own; what is corrected needs no correction."""
    made = prompts()
    near = f"Instruct:Find it{line}Query: {query}\nQuery: again "
    once = made.rendered([near], made.resolve(NO_HINTS))

    assert once.texts == (f"Instruct: Find it\nQuery:{normalise(query)}\nQuery: again ",)
    assert made.rendered(once.texts, made.resolve(NO_HINTS)) == Rendered(once.texts, ())


DOCUMENTS = [body(input_type="document"), body(task="sts", input_type="passage"), PromptHints(header="document")]


@pytest.mark.parametrize("hints", DOCUMENTS, ids=str)
def test_a_document_is_never_corrected(hints: PromptHints) -> None:
    """Anyone who says that it is one may be writing about prompts."""
    made, text = prompts(), "Instruct: x\nQuery: y"
    assert made.rendered([text], made.resolve(hints)) == Rendered((text,), ())
    assert made.rendered([text], made.resolve(NO_HINTS, "document")) == Rendered((text,), ())


@pytest.mark.parametrize("hints", ASKING, ids=str)
def test_correction_can_be_turned_off(hints: PromptHints) -> None:
    """What a client sends then stays as it came, and is what it was taken for before."""
    made = prompts(correct=False)
    assert made.rendered(["Instruct: x\nQuery: y"], made.resolve(hints)) == Rendered(("Instruct: x\nQuery: y",), ())


@pytest.mark.parametrize(
    ("template", "near", "seen"),
    [
        ("Instruct: {instruction}\nQuery: {text}", "Instruct: x\nQuery: y", None),
        ("Instruct: {instruction}\nQuery: {text}", "Instruct: x\nQuery:  y", None),
        ("task: {instruction} | query: {text}", "task: x | query:y", None),
        ("task: {instruction} | query:{text}", "task: x | query: y", None),
        ("{instruction}\n{text}", "x\n y", None),
        ("Aufgabe: {instruction}\nFrage:{text}", "Aufgabe: x\nFrage:y", "Aufgabe: x\nFrage:y"),
        ("Aufgabe: {instruction}\nFrage:{text}", "Aufgabe:x\r\nFrage: y", "Aufgabe: x\nFrage:y"),
        ("<I>{instruction}\n(Q*){text}", "<I> x\n (Q*) y", "<I>x\n(Q*)y"),
    ],
)
def test_each_style_has_its_own_near_misses(template: str, near: str, seen: str | None) -> None:
    """A model that was trained with the space gets it; a style of one's own is read by its own marks, where each begins
    a line.
    """
    made = Prompts(MODEL.tasks, PromptStyle(template=template))
    corrected = (0,) if seen not in (None, near) else ()

    assert made.rendered([near], made.resolve(NO_HINTS)) == Rendered((seen or near,), corrected)


@pytest.mark.parametrize(
    ("hints", "text", "seen", "corrected"),
    [
        (body(input_type="query"), "为检索生成向量: x", "为检索生成向量:x", (0,)),
        (NO_HINTS, "为检索生成向量: x", "为检索生成向量:x", (0,)),
        (NO_HINTS, "为分类生成向量:x", "为分类生成向量:x", ()),
        (body(input_type="query"), "为分类生成向量: x", "为检索生成向量:为分类生成向量: x", ()),
        (body(input_type="document"), "为检索生成向量: x", "为检索生成向量: x", ()),
        (body(input_type="query"), "Instruct: x\nQuery: y", "Instruct: x\nQuery:y", (0,)),
    ],
)
def test_a_prefix_without_an_instruction_is_put_right_too(
    hints: PromptHints, text: str, seen: str, corrected: tuple[int, ...]
) -> None:
    """The one that would be put there; where none would be, any of the style's."""
    made = prompts(style="article-zh")
    assert made.rendered([text], made.resolve(hints)) == Rendered((seen,), corrected)


def test_a_long_text_that_begins_like_a_prompt_costs_no_minutes() -> None:
    """Every part of the pattern a hundred thousand times, and no prompt at the end."""
    for part in (" ", "\n", "\\n", "\n ", "Query:", "\nQuery", " \nInstruct:"):
        text = "Instruct:" + part * 100_000
        assert final(text=text) == text.encode()


# --- styles, own tasks, special tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize("task", CHINESE)
def test_the_chinese_style(task: str) -> None:
    """Its own prefixes where it has one, Qwen's format where it has none, and nothing on a document."""
    made = prompts(style="article-zh")

    assert (CHINESE[task] + TEXT).encode() == final(body(task=task), of=made)
    assert (CHINESE[task] + TEXT).encode() == final(body(task=task), text=CHINESE[task] + TEXT, of=made)


OWN = {
    "Tickets": Task(instruction="Identify the product", symmetric=True, source="configuration"),
    "query": Task(instruction="Given a question, find the handbook's answer", source="configuration"),
    "similarity": Task(instruction="Find the same complaint", source="configuration"),
    "document": Task(instruction="Represent the handbook's page", source="configuration"),
    "notes": Task(instruction=None, source="configuration"),
}


@pytest.mark.parametrize("style", ["qwen3", "article-zh"])
@pytest.mark.parametrize(
    ("fields", "instruction"),
    [
        ({"task": "tickets"}, "Identify the product"),
        ({"task": "TICKETS", "input_type": "document"}, "Identify the product"),
        ({"input_type": "search_query"}, "Given a question, find the handbook's answer"),
        ({"task": "similarity"}, "Find the same complaint"),
        ({"input_type": "passage"}, "Represent the handbook's page"),
        ({}, "Represent the handbook's page"),
        ({"task": "notes"}, None),
    ],
)
def test_own_tasks_add_to_and_replace_the_built_in_ones(
    fields: dict[str, str], instruction: str | None, style: str
) -> None:
    """In Qwen's format whatever the style, also where the name was a synonym of another task before."""
    prefix = f"Instruct: {instruction}\nQuery:" if instruction else ""

    assert (prefix + TEXT).encode() == final(body(**fields), of=prompts(own=OWN, style=style))


@pytest.mark.parametrize(("neutralise", "seen"), [(False, "a<|endoftext|>b"), (True, "a<| endoftext |>b")])
def test_special_tokens_are_kept_by_default(neutralise: bool, seen: str) -> None:
    """By default they are what Qwen's tokenizer makes of them, as with every other engine."""
    assert seen.encode() == final(text="a<|endoftext|>b", of=prompts(neutralise=neutralise))


@pytest.mark.parametrize("text", ["한국어", "が", "é", "a\ud800"])
def test_texts_are_normalised_before_they_are_prefixed(text: str) -> None:
    """Whatever the role, the engine sees NFC and no lone surrogate."""
    assert QUERY + normalise(text).encode() == final(body(input_type="query"), text=text)


def test_a_free_instruction_is_neutralised_like_a_text() -> None:
    """It is a client's text as well: a control token in it would end the prompt."""
    prompt = prompts(neutralise=True).resolve(PromptHints(instruction="Find<|endoftext|>it"))
    assert prompt.prefix == "Instruct: Find<| endoftext |>it\nQuery:"
