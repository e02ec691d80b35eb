"""What is written from the settings: the example file and the table in the documentation."""

import runpy
from pathlib import Path

import pytest
import yaml

from embedstack.bridge.settings import Setting, table
from embedstack.bridge.settings.docs import PAGES
from embedstack.bridge.settings.load import load
from embedstack.bridge.settings.structs import Settings
from tests.paths import ROOT


def test_the_example_file_has_every_key_with_its_default() -> None:
    """The example sets every key there is, and sets it to what holds anyway."""
    text = (ROOT / "embed-bridge.example.yaml").read_text(encoding="utf-8")
    keys = [f"{section}.{key}" for section, keys in yaml.safe_load(text).items() for key in keys]

    assert keys == list(table())
    assert load(["--config", str(ROOT / PAGES.example)], {}).settings == Settings()


def test_example_and_docs_are_up_to_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`python -m embedstack.bridge.settings.docs` would change neither the example file nor the documentation."""
    monkeypatch.chdir(tmp_path)
    docs = ROOT / PAGES.document
    PAGES.document.parent.mkdir()
    PAGES.document.write_text(docs.read_text(encoding="utf-8"), encoding="utf-8")

    runpy.run_path(str(ROOT / "bridge" / "settings" / "docs.py"), run_name="__main__")

    assert PAGES.example.read_text(encoding="utf-8") == (ROOT / PAGES.example).read_text(encoding="utf-8")
    assert PAGES.document.read_text(encoding="utf-8") == docs.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", table().values(), ids=lambda row: row.key)
def test_every_key_is_documented(row: Setting) -> None:
    """Every key has a sentence and says what it allows, in the example and in the table."""
    example = (ROOT / PAGES.example).read_text(encoding="utf-8")
    docs = (ROOT / PAGES.document).read_text(encoding="utf-8")

    assert row.description.endswith(".")
    assert f"Default: {row.show(row.default)}." in " ".join(example.replace("#", " ").split())
    assert f"| `{row.key}` | `{row.show(row.default)}` |" in docs


def test_documentation_without_its_marks_is_refused() -> None:
    """The table is never written into a file that has lost the place for it."""
    with pytest.raises(ValueError, match="settings: begin"):
        PAGES.as_document("# no marks")


@pytest.mark.parametrize("row", table().values(), ids=lambda row: row.key)
def test_what_is_shown_can_be_given_again(row: Setting) -> None:
    """The value that is printed for a default is read back as that default."""
    assert row.parse(row.show(row.default)) in (row.default, list(row.default) if row.default == () else row.default)
