"""A catalogue of one's own: what it adds, and how a wrong one is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedstack.models import catalog
from embedstack.models.catalog import CatalogError


@pytest.fixture
def own(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a catalogue of one's own."""

    def write(document: dict[str, Any]) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    return write


def tiny(**changes: Any) -> dict[str, Any]:
    """A catalogue with one small, valid model."""
    file = {
        "quantisation": "f16",
        "repository": None,
        "revision": None,
        "file": "tiny.gguf",
        "bytes": 10,
        "sha256": "0" * 64,
    }
    model = {
        "hub_id": None,
        "parameters": 1,
        "dimensions": 256,
        "context": {"trained": 512, "recommended": 512},
        "kv_bytes_per_token": 1,
        "header": {"required": {"general.architecture": "qwen3"}},
        "default_quantisation": "f16",
        "files": [file | changes.pop("file", {})],
    }
    return {"models": {"tiny": {k: v for k, v in (model | changes).items() if v != "absent"}}}


def test_a_users_model_is_added_and_inherits_the_tasks(own: Callable[[dict[str, Any]], Path]) -> None:
    """A file of one's own adds to the shipped catalogue; its models know the shipped tasks and may replace some."""
    shipped = catalog.load()
    mine = {"instruction": "Find my notes", "source": "mine"}

    loaded = catalog.load(own(tiny(tasks={"query": mine})))

    assert {*shipped.models, "tiny"} == set(loaded.models)
    assert loaded.models["tiny"].tasks["query"].instruction == "Find my notes"
    assert shipped.tasks["sts"] == loaded.models["tiny"].tasks["sts"]
    assert shipped.models["qwen3-embedding:4b"] == loaded.models["qwen3-embedding:4b"]


def test_a_users_model_replaces_one_of_the_same_name(own: Callable[[dict[str, Any]], Path]) -> None:
    """The same id in one's own file stands for ours."""
    document = {"models": {"qwen3-embedding:4b": tiny()["models"]["tiny"]}}

    assert catalog.load(own(document)).models["qwen3-embedding:4b"].dimensions == 256


def test_a_users_style_may_be_used_by_a_users_model(own: Callable[[dict[str, Any]], Path]) -> None:
    """A style of one's own stands beside the shipped ones, and a model may name it."""
    document = tiny(style="e5") | {"styles": {"e5": {"template": "{instruction}: {text}"}}}

    loaded = catalog.load(own(document))

    assert {"qwen3", "article-zh", "e5"} == set(loaded.styles)
    assert loaded.styles[loaded.models["tiny"].style].template_for("query") == "{instruction}: {text}"


def test_a_reference_may_stand_in_a_file_of_its_own(own: Callable[[dict[str, Any]], Path]) -> None:
    """`reference` as a file name is read from beside the catalogue."""
    path = own(tiny(reference="golden.yaml"))
    golden = {"texts": ["a"], "tokens": [2], "queries": [0], "documents": [0]}
    (path.parent / "golden.yaml").write_text(yaml.safe_dump(golden))

    found = catalog.load(path).models["tiny"].reference

    assert found is not None
    assert (found.texts, found.tokens) == (("a",), (2,))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (tiny(reference="none.yaml"), "models.tiny.reference: none.yaml: cannot be read: "),
        (tiny(file={"sha256": "x"}), "models.tiny.files[0].sha256: expected 64 hex digits or null, got 'x'"),
        (tiny(file={"sha256": "0" * 64 + "\n"}), "models.tiny.files[0].sha256: expected 64 hex digits or null, got"),
        (tiny(file={"bytes": 0}), "models.tiny.files[0].bytes: expected an integer from 1 or null, got 0"),
        (tiny(file={"bytes": None}), "models.tiny.files[0]: f16: bytes or sha256 is null and no reason is given"),
        (tiny(file={"repository": "a/b"}), "models.tiny.files[0]: f16: repository and revision go together"),
        (tiny(file={"revison": "x"}), "models.tiny.files[0].revison: unknown key; did you mean 'revision'?"),
        (tiny(dimensions="absent"), "models.tiny.dimensions: missing; expected an integer from 1"),
        (tiny(kv_bytes_per_token=None), "models.tiny: kv_bytes_per_token is null and `reasons` does not say why"),
        (tiny(default_quantisation="Q8_0"), "models.tiny: default_quantisation 'Q8_0' is not a selectable file"),
        (tiny(tasks={"query": "x"}), "models.tiny.tasks.query: expected a mapping with instruction, symmetric, source"),
        (tiny(style="qwen"), "models.tiny.style: no style 'qwen'; did you mean 'qwen3'?"),
        (tiny(names=["qwen3-embedding"]), "models.tiny: 'qwen3-embedding' already means qwen3-embedding:8b"),
        (tiny(context=None), "models.tiny.context: expected a mapping with trained, recommended, got null"),
        ({"models": {"tiny": None}}, "models.tiny: expected a mapping with id, "),
        ({"styles": {"s": {"template": "{text}"}}}, "styles.s: template must hold {instruction} once"),
        ({"modles": {}}, "modles: unknown key; did you mean 'models'?"),
    ],
)
def test_a_wrong_catalogue_is_refused_by_file_key_and_value(
    own: Callable[[dict[str, Any]], Path], document: dict[str, Any], problem: str
) -> None:
    """Whatever is wrong, the error names the file, the key, what is allowed and what was found."""
    path = own(document)

    with pytest.raises(CatalogError) as caught:
        catalog.load(path)

    assert str(caught.value).startswith(f"{path}: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("models: [", "line 1, column 10: "),
        ("tasks:\n  query: 1\n  query: 2\n", "line 3, column 3: key 'query' is given twice"),
        ("- x", "expected a mapping, got ['x']"),
    ],
)
def test_a_catalogue_that_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """Broken YAML is refused with its line, and so is a key that is given twice."""
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(CatalogError) as caught:
        catalog.load(path)

    assert str(caught.value).startswith(f"{path}: {problem}")


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(CatalogError, match=r"none\.yaml: cannot be read"):
        catalog.load(tmp_path / "none.yaml")
