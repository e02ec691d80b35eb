"""What is written from the stack's settings: the example file and the table in the documentation."""

import os
import runpy
from pathlib import Path

import pytest
import yaml

from embedstack.configuration.setting import Setting
from embedstack.deploy.config import SCHEMA, load
from embedstack.deploy.config_docs import PAGES
from embedstack.deploy.settings import Settings
from tests.paths import ROOT


def test_the_example_file_has_every_key_with_its_default(tmp_path: Path) -> None:
    """The example sets every key there is, and sets it to what holds anyway."""
    text = (ROOT / PAGES.example).read_text(encoding="utf-8")
    keys = [f"{section}.{key}" for section, keys in yaml.safe_load(text).items() for key in keys]

    assert keys == list(SCHEMA.table)
    assert load({}, {}, tmp_path, file=ROOT / PAGES.example).settings == Settings()


def test_example_and_docs_are_up_to_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`python -m embedstack.deploy.config_docs` would change neither the example file nor the documentation."""
    monkeypatch.chdir(tmp_path)
    docs = (ROOT / PAGES.document).read_text(encoding="utf-8")
    PAGES.document.parent.mkdir()
    PAGES.document.write_text(docs, encoding="utf-8")

    runpy.run_path(str(ROOT / "deploy" / "config_docs.py"), run_name="__main__")

    made = PAGES.example.read_text(encoding="utf-8")
    assert made == (ROOT / PAGES.example).read_text(encoding="utf-8")
    assert docs == PAGES.document.read_text(encoding="utf-8")
    assert max(len(line) for line in made.split(os.linesep)) <= 120


@pytest.mark.parametrize("row", SCHEMA.table.values(), ids=lambda row: row.key)
def test_every_key_is_documented(row: Setting) -> None:
    """Every key has a sentence and says what it allows, in the example and in the table."""
    example = (ROOT / PAGES.example).read_text(encoding="utf-8")
    docs = (ROOT / PAGES.document).read_text(encoding="utf-8")

    assert row.description.endswith(".")
    assert f"Default: {row.show(row.default)}." in " ".join(example.replace("#", " ").split())
    assert f"| `{row.key}` | `{row.show(row.default)}` |" in docs


@pytest.mark.parametrize("row", SCHEMA.table.values(), ids=lambda row: row.key)
def test_what_is_shown_can_be_given_again(row: Setting) -> None:
    """The value that is printed for a default is read back as that default."""
    assert row.default == row.parse(row.show(row.default))


def test_documentation_without_its_marks_is_refused() -> None:
    """The table is never written into a file that has lost the place for it."""
    with pytest.raises(ValueError, match=r"docs/stack\.md has no <!-- settings: begin"):
        PAGES.as_document("# no marks")
