"""One value set in a file that people wrote: what they wrote besides stays as it is."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from embedstack.configuration.reference import example
from embedstack.configuration.setting import Setting, flow
from embedstack.configuration.yaml_edit import set_value
from embedstack.deploy.config import SCHEMA

PORT = SCHEMA.table["ports.webui"]
NAME = SCHEMA.table["model.id"]
ODD = "x: 'y' # z"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "ports:\n  webui: 80\n"),
        ("# mine", "# mine\nports:\n  webui: 80\n"),
        ("ports:\n  webui: 1  # old\n", "ports:\n  webui: 80  # old\n"),
        ("ports:\n  webui: 1", "ports:\n  webui: 80"),
        ("ports:\n  webui:\n  vllm: 1\n", "ports:\n  webui: 80\n  vllm: 1\n"),
        ("ports:\n    # one\n    vllm: 1 # two\n", "ports:\n    # one\n    webui: 80\n    vllm: 1 # two\n"),
        ("ports: {vllm: 1} # x\n", "ports: {webui: 80, vllm: 1} # x\n"),
        ("ports: {webui: 1}\n", "ports: {webui: 80}\n"),
        ("ports: {}\n", "ports: {webui: 80}\n"),
        ("ports:  # mine\n# end\n", "ports:  # mine\n  webui: 80\n# end\n"),
        ("ports:\n", "ports:\n  webui: 80\n"),
        ("ports: null # x\n", "ports:  # x\n  webui: 80\n"),
        ("# a\nmodel:\n  id: x\n", "# a\nmodel:\n  id: x\n\nports:\n  webui: 80\n"),
        ("{model: {id: x}}", "{ports: {webui: 80}, model: {id: x}}"),
        ("ports:\n  webui: >\n    1\n  vllm: 2\n", "ports:\n  webui: 80\n  vllm: 2\n"),
    ],
)
def test_a_value_is_set_and_all_else_stays(before: str, after: str) -> None:
    """Comments, order, indentation and the way a section is written are the user's."""
    assert after == set_value(before, PORT, 80)


@pytest.mark.parametrize(
    "text",
    [
        "- a list\n",
        "just text\n",
        "ports: 3\n",
        "ports: [\n",
        "ports: &p {webui: 1}\nimages: *p\n",
        "a: &x {vllm: 1}\nports:\n  <<: *x\n",
        "--- {}\n--- {}\n",
    ],
)
def test_what_cannot_be_changed_safely_is_left_alone(text: str) -> None:
    """A file that is made of something else, or in which one place stands for two, is not touched."""
    edited = set_value(text, PORT, 80)

    assert edited is None or yaml.safe_load(edited) == {
        **(yaml.safe_load(text) or {}),
        "ports": {**(yaml.safe_load(text).get("ports") or {}), "webui": 80},
    }


def test_an_anchored_value_is_not_changed_in_two_places() -> None:
    """Where another key means the same place, it would change too."""
    assert set_value("ports: &p {webui: 1}\nimages: *p\n", PORT, 80) is None


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), st.sampled_from(["{}", "{id: a}", ""]))
def test_any_text_reads_back_as_itself(value: str, section: str) -> None:
    """Quotes, colons, hashes and braces in a value do no harm, whichever way the section is written."""
    edited = set_value(f"model: {section}\n", NAME, value)

    assert edited is not None
    assert yaml.safe_load(edited) == {"model": {"id": value}}


@pytest.mark.parametrize("row", SCHEMA.table.values(), ids=lambda row: row.key)
def test_every_key_of_the_example_can_be_changed(row: Setting) -> None:
    """One line differs afterwards, and no comment is lost."""
    before = example(SCHEMA, "# head\n")

    after = set_value(before, row, ODD)

    assert after is not None
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [f"  {row.name}: {flow(ODD)}"] == changed
