"""Other services' fields that change a vector: obeyed, refused with the way, or harmless, and never ignored unsaid."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.api.dialects import FOREIGN, SAME, Foreign, understood
from embedstack.bridge.errors import BadRequest, BridgeError, DimensionsOutOfRange
from embedstack.models import catalog

MODEL = catalog.load().models["qwen3-embedding:4b"]
SIZES = ("dimensions", *SAME["dimensions"])
# Values of every kind that JSON has; each field of the table must refuse at least those that are not its own.
VALUES: tuple[object, ...] = (True, False, 0, 1, 7, 0.5, "int8", "x", ["int8"], ["float", "int8"], {"a": 1}, [None])


def spellings(name: str) -> tuple[str, ...]:
    first, *rest = name.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return (name, name.upper(), camel, camel[:1].upper() + camel[1:], name.replace("_", "-"))


@pytest.mark.parametrize("name", SIZES)
def test_a_size_is_dimensions_under_any_name(name: str) -> None:
    """In any spelling, in the body and in Ollama's options; what else the body says stays."""
    for spelt in spellings(name):
        for body in ({spelt: 512, "input": "x"}, {"options": {spelt: 512, "seed": 1}, "input": "x"}):
            read = understood(body, MODEL)
            assert (read["dimensions"], read["input"]) == (512, "x")


@pytest.mark.parametrize("name", [name for name in SIZES if name != "dimensions"])
@pytest.mark.parametrize("value", [0, -1, 31, 2561, 512.0, "512", True, [512]])
def test_a_size_out_of_range_is_refused_by_the_name_that_was_sent(name: str, value: object) -> None:
    """As `dimensions` is: by type and range."""
    spelt = spellings(name)[2]
    with pytest.raises(DimensionsOutOfRange, match="from 32 to 2560") as refused:
        understood({spelt: value}, MODEL)

    assert refused.value.message.startswith(f"{spelt} is {value!r}")


def test_null_says_nothing() -> None:
    """langchain-ollama sends every option it knows, most of them null."""
    everything = dict.fromkeys([*SIZES, *(field.name for field in FOREIGN), "task_type"])

    read = understood({"model": "m", "dimensions": 64, **everything, "options": everything, "dimension": 64}, MODEL)

    assert read["dimensions"] == 64


@pytest.mark.parametrize(
    "body",
    [
        {"dimensions": 512, "output_dimension": 256},
        {"outputDimensionality": 512, "options": {"dimensions": 256}},
        {"dimensions": "x", "dimension": 256},
        {"input_type": "query", "options": {"input_type": "document"}},
        {"truncate": False, "truncation": True},
        {"instruction": "a", "options": {"instruction": "b"}},
    ],
    ids=str,
)
def test_two_that_disagree_are_refused(body: dict[str, object]) -> None:
    """With both, as they were sent."""
    with pytest.raises(BridgeError, match="contradicts itself") as refused:
        understood(body, MODEL)

    assert (refused.value.status, refused.value.code) == (400, "contradictory_fields")


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"inputType": "query"}, "input_type", "query"),
        ({"taskType": "RETRIEVAL_QUERY"}, "task_type", "RETRIEVAL_QUERY"),
        ({"options": {"input_type": "query"}}, "input_type", "query"),
        ({"options": {"Instruction": "Find it"}}, "instruction", "Find it"),
        ({"truncation": False}, "truncate", False),
        ({"autoTruncate": True}, "truncate", True),
        ({"truncate": "end", "options": {"truncate": "END"}}, "truncate", "end"),
    ],
)
def test_our_own_fields_are_known_in_every_spelling(body: dict[str, object], field: str, value: object) -> None:
    """Roles, instruction and `truncate` too, also where a client has room in `options` alone."""
    assert value == understood(body, MODEL)[field]


@pytest.mark.parametrize("field", FOREIGN, ids=lambda field: field.name)
@pytest.mark.parametrize("inside", [False, True], ids=["body", "options"])
def test_a_foreign_field_is_refused_unless_it_changes_nothing(field: Foreign, inside: bool) -> None:
    """The refusal names field, value and the way; what the table calls harmless passes, alone and in a list."""

    def ask(name: str, value: object) -> None:
        understood({"options": {name: value}} if inside else {name: value}, MODEL)

    for spelt in spellings(field.name):
        for one in (*field.harmless, "", None, [], {}):
            ask(spelt, one)
        for one in field.harmless:
            ask(spelt, [one])
            ask(spelt, one.upper() if isinstance(one, str) else one)
        for value in VALUES:
            if any(type(value) is type(one) and value == one for one in field.harmless):
                continue
            with pytest.raises(BridgeError) as refused:
                ask(spelt, value)
            assert (refused.value.status, refused.value.code) == (400, "unsupported_field")
            assert spelt in refused.value.message
            assert repr(value)[:40] in refused.value.message
            assert refused.value.advice == field.way


def test_a_routes_own_field_is_not_foreign_to_it() -> None:
    """`prompt` is the text of /api/embeddings, and `encoding_format` judged by /v1/embeddings itself."""
    assert understood({"prompt": "x", "top": 1}, MODEL, "prompt")["prompt"] == "x"
    assert understood({"Encoding_Format": "int8"}, MODEL, "encoding_format")["encoding_format"] == "int8"
    with pytest.raises(BridgeError, match="Send the text as `input`"):
        understood({"prompt": "x"}, MODEL)


def test_fields_that_change_no_vector_are_left_alone() -> None:
    """What Ollama's and OpenAI's clients send besides."""
    body = {"User": "me", "stream": False, "seed": 1, "stop": ["x"], "extra": {"dimensions": 5}, "options": "no object"}

    assert understood(body, MODEL) == {name.lower(): value for name, value in body.items()}


def test_a_very_long_name_makes_no_long_message() -> None:
    """Underscores do not count, so a megabyte of them is a known name."""
    for name in ("output" + "_" * 1_000_000 + "dtype", "output" + "_" * 1_000_000 + "dimension"):
        with pytest.raises(BridgeError) as refused:
            understood({name: "int8"}, MODEL)

        assert len(str(refused.value)) < 400


NAMES = st.sampled_from([*SIZES, *(field.name for field in FOREIGN), "options", "input_type"]) | st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(body=st.dictionaries(NAMES, JSON, max_size=5))
def test_whatever_is_sent_is_understood_or_refused(body: dict[str, object]) -> None:
    """No other exception, and what is understood has what was sent."""
    with contextlib.suppress(BadRequest):
        assert {name.lower() for name in body} <= set(understood(body, MODEL))
