"""Which model a request means: names, aliases and the options after the @."""

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.errors import BadRequest, UnknownModel
from embedstack.bridge.text.names import Alias, Names, parse
from embedstack.models import catalog

MODEL = catalog.load().models["qwen3-embedding:4b"]
ALIASES = {"rag-query": "qwen3-embedding:4b@query,1024", "Docs:v1": "Qwen/Qwen3-Embedding-4B@document"}


def names(precision: str = "Q4_K_M", aliases: dict[str, str] | None = None) -> Names:
    return Names(MODEL.names_for(precision), ALIASES if aliases is None else aliases)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("m", Alias("m")),
        ("m:4b", Alias("m:4b")),
        ("m@query", Alias("m", "query")),
        ("m@1024", Alias("m", None, 1024)),
        ("m@query,1024", Alias("m", "query", 1024)),
        ("m@1024,query", Alias("m", "query", 1024)),
        ("m@ query , 64 ", Alias("m", "query", 64)),
        ("m@retrieval.query", Alias("m", "retrieval.query")),
        ("m@0", Alias("m", None, 0)),
        ("m@0064", Alias("m", None, 64)),
        ("m@-1", Alias("m", "-1")),
    ],
)
def test_a_name_is_taken_apart(name: str, alias: Alias) -> None:
    """After the @ a whole number is a dimension, anything else a role or task, in any order."""
    assert alias == parse(name)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("m@", ""),
        ("m@,", ""),
        ("m@query,", ""),
        ("m@query,document", "document"),
        ("m@64,128", "128"),
        ("m@query,64,sts", "sts"),
        ("m@²", "²"),
        ("m@" + "9" * 10, "9999999999"),
    ],
)
def test_options_that_cannot_be_read_are_refused(name: str, option: str) -> None:
    """The message repeats name and option, and shows how it is written."""
    with pytest.raises(BadRequest) as refused:
        parse(name)

    assert refused.value.code == "invalid_alias"
    assert refused.value.message == f"The model name {name!r} has an option {option!r} that cannot be read."
    assert "name@query,1024" in refused.value.advice


@pytest.mark.parametrize(
    "name",
    [
        "qwen3-embedding:4b",
        "QWEN3-Embedding:4B",
        " qwen3-embedding:4b ",
        "qwen3-embedding:4b:latest",
        "Qwen/Qwen3-Embedding-4B",
        "qwen3-embedding:4b-q4_K_M",
        "qwen3-embedding:4b-q4_k_m",
        "hf.co/Qwen/Qwen3-Embedding-4B-GGUF:Q4_K_M",
        "hf.co/Qwen/Qwen3-Embedding-4B-GGUF",
    ],
)
def test_every_known_name_means_the_model(name: str) -> None:
    """Catalogue id, Ollama's tags, the Hub's id and files; without regard to case, as Ollama compares."""
    found = names().resolve(f"{name}@query,256")

    assert (found.task, found.dimensions) == ("query", 256)


@pytest.mark.parametrize(
    "name",
    [
        "library/qwen3-embedding:4b",
        "registry.ollama.ai/library/qwen3-embedding:4b",
        "Registry.Ollama.AI/Library/Qwen3-Embedding:4B",
        "https://ollama.com/library/qwen3-embedding:4b",
        "registry.ollama.ai/library/qwen3-embedding:4b-q4_K_M",
        "huggingface.co/Qwen/Qwen3-Embedding-4B-GGUF",
        "huggingface.co/Qwen/Qwen3-Embedding-4B-GGUF:latest",
        "huggingface.co/qwen/qwen3-embedding-4b-gguf:q4_k_m",
        "https://huggingface.co/Qwen/Qwen3-Embedding-4B-GGUF:Q4_K_M",
        "https://hf.co/Qwen/Qwen3-Embedding-4B",
        "hf.co/Qwen/Qwen3-Embedding-4B-GGUF:Qwen3-Embedding-4B-Q4_K_M.gguf",
        "Qwen/Qwen3-Embedding-4B-GGUF:Q4_K_M",
    ],
)
@pytest.mark.parametrize("options", ["", "@query,256", "@256:latest"])
def test_ollamas_spellings_mean_the_model(name: str, options: str) -> None:
    """Its registry, its default namespace and the Hub's hosts before a name, a file as a tag, a tag behind it all."""
    found = names().resolve(name + options)

    assert found.dimensions == (256 if options else None)


@pytest.mark.parametrize(
    ("name", "task", "dimensions"),
    [
        ("qwen3-embedding:4b-query", "query", None),
        ("Qwen/Qwen3-Embedding-4B-Passage", "passage", None),
        ("qwen3-embedding:4b-query:latest", "query", None),
        ("qwen3-embedding:4b-query@256", "query", 256),
        ("qwen3-embedding:4b-query@query", "query", None),
        ("library/qwen3-embedding:4b-passage", "passage", None),
        ("rag-query", "query", 1024),
        ("rag-query-passage", "passage", 1024),
        ("docs:v1-query", "query", None),
    ],
)
def test_nvidias_suffixes_are_roles(name: str, task: str, dimensions: int | None) -> None:
    """Behind every name that is known; a name that ends so by itself is that name."""
    found = names().resolve(name)

    assert (task, dimensions) == (found.task, found.dimensions)


def test_a_name_of_any_length_is_found_and_none_is_kept() -> None:
    """Blanks around an option are not part of it; a client cannot fill the memory with them."""
    known = names()
    tracemalloc.start()
    try:
        sizes = {known.resolve(f"rag-query@{' ' * 100_000}{size}").dimensions for size in range(64, 164)}
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sizes == set(range(64, 164))
    assert kept < 1_000_000


def test_a_suffix_and_another_role_are_refused() -> None:
    """Neither is taken for what was meant."""
    with pytest.raises(BadRequest, match="ends in -query, and the option 'document'") as refused:
        names().resolve("qwen3-embedding:4b-query@document")

    assert refused.value.code == "invalid_alias"


@pytest.mark.parametrize(
    "name",
    [
        "qwen3-embedding",
        "qwen3-embedding:latest",
        "library/qwen3-embedding",
        "registry.ollama.ai/library/qwen3-embedding:latest",
        "registry.ollama.ai/someone/qwen3-embedding:4b",
        "someone/qwen3-embedding:4b",
        "hf.co/qwen3-embedding:4b",
        "huggingface.co/Qwen/Qwen3-Embedding-4B-GGUF:Q8_0",
        "hf.co/someone/Qwen3-Embedding-4B-GGUF:Q4_K_M",
        "qwen3-embedding-query",
        "qwen3-embedding:8b-passage",
        "-query",
        "qwen3-embedding:8b",
        "qwen3-embedding:0.6b",
        "qwen3-embedding:4b-q8_0",
        "Qwen/Qwen3-Embedding-8B",
        "nomic-embed-text",
        "",
        "@query",
    ],
)
def test_any_other_name_is_another_model(name: str) -> None:
    """Ollama's untagged name is the 8B with other dimensions, and another quantisation has other vectors."""
    with pytest.raises(UnknownModel) as refused:
        names().resolve(name)

    assert refused.value.status == 404
    assert refused.value.message.startswith(f"model {name!r} not found: it is not served here.")
    assert all(known in refused.value.advice for known in ("qwen3-embedding:4b", "rag-query", "@role"))


def test_a_tag_of_another_precision_is_known_while_that_is_served() -> None:
    """The same engine at Q8_0 answers to the Q8_0 tag, and no longer to the Q4_K_M one."""
    assert names("Q8_0").resolve("qwen3-embedding:4b-q8_0").base == "qwen3-embedding:4b-q8_0"
    with pytest.raises(UnknownModel):
        names("Q8_0").resolve("qwen3-embedding:4b-q4_K_M")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rag-query", ("query", 1024)),
        ("RAG-Query:latest", ("query", 1024)),
        ("rag-query@document", ("document", 1024)),
        ("rag-query@512", ("query", 512)),
        ("rag-query@0", ("query", 0)),
        ("docs:v1", ("document", None)),
    ],
)
def test_a_configured_alias_stands_for_name_and_options(name: str, expected: tuple[str, int | None]) -> None:
    """What is said after the alias's own @ is stronger than what the alias stands for."""
    found = names().resolve(name)

    assert expected == (found.task, found.dimensions)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("qwen3-embeding:4b", "qwen3-embedding:4b"),
        ("Qwen3-Embedding-4B", "qwen3-embedding:4b"),
        ("ragquery", "rag-query"),
    ],
)
def test_a_mistyped_name_gets_the_nearest(typed: str, meant: str) -> None:
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(UnknownModel, match=f"Did you mean '{meant}'"):
        names().resolve(typed)


SIZES = ("0.6b", "4b", "8b")
ELSEWHERE = ("qwen3-embedding", "qwen3-embeding", "nomic-embed-text", "qwen3-embedding:{}", "Qwen/Qwen3-Embedding-{}")


@pytest.mark.parametrize("served", SIZES)
@pytest.mark.parametrize("typed", SIZES)
@pytest.mark.parametrize("form", [*ELSEWHERE, "qwen3-embeding:{}", "Qwen3-Embedding-{}-GGUF", "library/qwen3:{}-q8_0"])
def test_a_hint_never_names_another_size(served: str, typed: str, form: str) -> None:
    """A bridge of one size has nothing to offer who wants another, nor who names none and means Ollama's default."""
    model = catalog.load().models[f"qwen3-embedding:{served}"]
    here = Names(model.names_for(model.default_quantisation), {"embedder": f"{model.id}@query"}, model=model.id)
    try:
        here.resolve(form.format(typed))
    except UnknownModel as refused:
        hint = refused.message.partition("Did you mean ")[2]
        assert [size for size in SIZES if size in hint.lower()] in ([], [typed] if "{}" in form else [])


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("qwen3-embeding:4b-q4_K_M", "qwen3-embedding:4b-q4_K_M"),
        ("qwen3-embedding:4b-q8_0", ""),
        ("hf.co/Qwen/Qwen3-Embedding-4B-GGUF:f16", ""),
    ],
)
def test_a_hint_never_names_another_quantisation(typed: str, hint: str) -> None:
    """Its vectors are others too."""
    with pytest.raises(UnknownModel) as refused:
        names().resolve(typed)

    assert refused.value.message.endswith(f"Did you mean '{hint}'?" if hint else "it is not served here.")


def test_the_list_offers_the_commonest_options_and_no_more() -> None:
    """LangChain looks its model up in it before it asks for anything; there are thousands of such names."""
    offered = Names(MODEL.names_for("Q4_K_M"), ALIASES, model=MODEL.id, native=2560).offered

    assert {"qwen3-embedding:4b", "rag-query", "qwen3-embedding:4b@query", "qwen3-embedding:4b@query,512"} < {*offered}
    assert {"qwen3-embedding:4b@document", "qwen3-embedding:4b@1024"} < {*offered}
    assert len(offered) == len({*offered}) < 16
    for name in offered:
        names().resolve(name)
    small = Names(["m"], {}, native=512).offered
    assert "m@256" in small
    assert "m@512" not in small


def test_a_very_long_name_makes_no_long_message() -> None:
    """A megabyte that was sent is not sent back, nor searched for its nearest neighbour."""
    with pytest.raises(UnknownModel) as refused:
        names(aliases={}).resolve("q" * 1_000_000)

    assert len(str(refused.value)) < 1000


def test_the_models_names_and_the_aliases_are_listed() -> None:
    """What /api/tags and /v1/models show: the name to show, the catalogue's where that is another, the user's own."""
    assert names().listed == ("qwen3-embedding:4b", "rag-query", "Docs:v1")
    assert Names(["demo-stand-in", "demo"], {"a": "demo"}, model="demo").listed == ("demo-stand-in", "demo", "a")


@given(st.text(max_size=30) | st.from_regex(r"qwen3-embedding:4b@.{0,12}", fullmatch=True))
def test_no_name_does_anything_but_resolve_or_be_refused(name: str) -> None:
    """Whatever a client sends as its model."""
    with contextlib.suppress(BadRequest, UnknownModel):
        found = names().resolve(name)

        assert found.base.strip().lower().removesuffix(":latest") in {
            known.lower() for known in MODEL.names_for("Q4_K_M")
        }
