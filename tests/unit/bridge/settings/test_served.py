"""A configuration that names what the catalogue does not have is refused before anything starts."""

from pathlib import Path

import pytest

from embedstack.bridge.settings.load import ConfigError, load
from embedstack.bridge.settings.served import Served, served
from embedstack.models.catalog import CatalogError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the machine or of this repository is in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def serve(*assignments: str) -> Served:
    return served(load([part for text in assignments for part in ("--set", text)], {}))


def test_the_default_is_the_4b_as_the_engine_has_it() -> None:
    """With nothing configured the model is the 4B, its precision is left to the engine, its style is Qwen's."""
    found = serve()

    assert (found.model.id, found.precision) == ("qwen3-embedding:4b", None)
    assert found.style.template == "Instruct: {instruction}\nQuery:{text}"
    assert found.tasks == found.model.tasks


@pytest.mark.parametrize(
    ("assignments", "precision"),
    [
        (["model.id=qwen3-embedding:4b-q8_0"], "Q8_0"),
        (["model.id=qwen3-embedding:4b-q8_0", "model.precision=q8_0"], "Q8_0"),
        (["model.precision=FP16"], "f16"),
        (["model.precision=bf16"], "bf16"),
    ],
)
def test_precision_comes_from_its_setting_or_the_models_name(assignments: list[str], precision: str) -> None:
    """A name of one quantisation asks for it, in any spelling."""
    assert serve(*assignments).precision == precision


def test_own_tasks_style_and_aliases_are_taken() -> None:
    """What the catalogue and the configuration know together may be used."""
    found = serve(
        "prompts.style=article-zh",
        "prompts.tasks={Tickets: Identify the product}",
        "prompts.default=tickets",
        "model.aliases={a: 'qwen3-embedding:4b@tickets,1024', b: 'Qwen/Qwen3-Embedding-4B@search_query'}",
    )

    assert found.style.template_for("query") == "为检索生成向量:{text}"
    assert found.tasks["Tickets"].instruction == "Identify the product"


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("model.id=qwen3-embeding:4b", "model.id: no model 'qwen3-embeding:4b'; did you mean 'qwen3-embedding:4b'?"),
        ("model.precision=Q3_K", "model.precision: qwen3-embedding:4b has no precision 'Q3_K'; known: Q4_K_M, "),
        ("model.dimensions=2561", "model.dimensions: expected 32 to 2560 for qwen3-embedding:4b, got 2561"),
        ("prompts.style=qwen", "prompts.style: no style 'qwen'; did you mean 'qwen3'?"),
        ("prompts.default=querry", "prompts.default: no role or task 'querry'; did you mean 'query'?"),
        ("model.aliases={a: demo@query}", "model.aliases.a: 'demo' is not a name of qwen3-embedding:4b"),
        (
            "model.aliases={a: 'qwen3-embedding:4b@qery'}",
            "model.aliases.a: no role or task 'qery'; did you mean 'query'?",
        ),
        ("model.aliases={a: 'qwen3-embedding:4b@9999'}", "model.aliases.a: expected 32 to 2560 dimensions, got 9999"),
        ("model.aliases={a: 'qwen3-embedding:4b@x,y'}", "model.aliases.a: The model name"),
        ("model.aliases={'a@query': 'qwen3-embedding:4b'}", "model.aliases.a@query: no request can ask for it"),
        ("model.aliases={'': 'qwen3-embedding:4b'}", "model.aliases.: no request can ask for it"),
        ("model.aliases={' ': 'qwen3-embedding:4b'}", "model.aliases. : no request can ask for it"),
        (
            "model.aliases={Docs: 'qwen3-embedding:4b@query', 'docs:latest': 'qwen3-embedding:4b@document'}",
            "model.aliases.Docs: another alias has this name, but for capitals or `:latest`; remove one of them",
        ),
        ("model.aliases={a: b, b: 'qwen3-embedding:4b'}", "model.aliases.a: 'b' is not a name of qwen3-embedding:4b"),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused(assignment: str, problem: str) -> None:
    """The error names source, key, value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        serve(assignment)

    assert str(caught.value).startswith(f"--set: {problem}")


def test_a_precision_that_contradicts_the_name_is_refused() -> None:
    """A model's name and its precision cannot say two things."""
    with pytest.raises(ConfigError, match=r"'Q4_K_M' contradicts model.id 'qwen3-embedding:4b-q8_0', which is Q8_0"):
        serve("model.id=qwen3-embedding:4b-q8_0", "model.precision=Q4_K_M")


def test_an_alias_of_another_precision_is_refused() -> None:
    """A tag of one precision is not a name while another is configured; while the engine has the say, it may be."""
    alias = "model.aliases={a: 'qwen3-embedding:4b-q8_0@query'}"

    with pytest.raises(ConfigError, match=r"model\.aliases\.a: 'qwen3-embedding:4b-q8_0' is not a name of .*Q4_K_M"):
        serve("model.precision=Q4_K_M", alias)
    assert serve("model.precision=Q8_0", alias).precision == "Q8_0"
    assert serve(alias).precision is None


def test_an_alias_may_stand_before_a_served_name() -> None:
    """For clients that can send nothing else and shall get a role: what it says is what they get."""
    assert serve("model.aliases={'qwen3-embedding:4b': 'qwen3-embedding:4b@query'}")


def test_a_replaced_task_keeps_its_symmetry_in_any_case() -> None:
    """`STS` is `sts`, as in a request."""
    assert serve("prompts.tasks={STS: Compare}").tasks["STS"].symmetric


def test_a_catalogue_that_cannot_be_read_is_refused() -> None:
    """model.catalog must name a file."""
    with pytest.raises(CatalogError, match=r"none\.yaml: cannot be read"):
        serve("model.catalog=none.yaml")
