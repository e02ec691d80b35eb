"""Every field is taken by type and bound, and a refusal names field and value."""

import pytest

from embedstack.bridge.api import fields
from embedstack.bridge.errors import BridgeError, DimensionsOutOfRange
from embedstack.bridge.request import PromptHints
from embedstack.bridge.settings.structs import Limits
from embedstack.models import catalog

MODEL = catalog.load().models["qwen3-embedding:4b"]
LIMITS = Limits(texts=3, text_bytes=10, queue_texts=10, queue_bytes=100)
DEEP: list[object] = []
for _ in range(5000):
    DEEP = [DEEP]


# --- input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("x", ("x",)),
        (["x", "y"], ("x", "y")),
        ([""], ("",)),
        (["", "x", ""], ("", "x", "")),
        (None, ()),
        ("", ()),
        ([], ()),
        ("x" * 10, ("x" * 10,)),
        ("年假é", ("年假é",)),
        ("\ud800" * 10, ("\ud800" * 10,)),
    ],
)
def test_input_is_a_text_or_a_list_of_texts(value: object, texts: tuple[str, ...]) -> None:
    """Nothing is not text at all, as in Ollama; an empty text in a list is a text."""
    assert texts == fields.texts_of(value, LIMITS)


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        (5, "invalid_input", "`input` is 5"),
        (True, "invalid_input", "`input` is True"),
        (0, "invalid_input", "`input` is 0"),
        ({}, "invalid_input", "`input` is {}"),
        ({"text": "x"}, "invalid_input", "`input` is {'text': 'x'}"),
        (["x", 1.5], "invalid_input", "input 1 is 1.5"),
        (["x", None], "invalid_input", "input 1 is None"),
        (["x", True], "invalid_input", "input 1 is True"),
        (["x", ["y"]], "invalid_input", "input 1 is ['y']"),
        ([[]], "invalid_input", "input 0 is []"),
        ([{"text": "x"}], "invalid_input", "input 0 is {'text': 'x'}"),
        (DEEP, "invalid_input", "input 0 is [[[["),
        ([1, 2, 3], "token_ids", "input 0 is 1"),
        ([[1, 2], [3]], "token_ids", "input 0 is [1, 2]"),
        ([list(range(100_000))], "token_ids", "input 0 is [0, 1, 2, 3, 4, ...]"),
        (["a", "b", "c", "d"], "too_many_texts", "has 4 texts; at most 3"),
        ("x" * 11, "text_too_large", "input 0 is larger than 10 bytes"),
        (["x", "年假年假"], "text_too_large", "input 1 is larger than 10 bytes"),
        (["x", "\ud800" * 11], "text_too_large", "input 1 is larger than 10 bytes"),
    ],
    ids=lambda value: repr(value)[:30] if value is not DEEP else "deep",
)
def test_anything_else_is_refused_by_index(value: object, code: str, said: str) -> None:
    """Token ids with the way out for LangChain; the message stays short whatever was sent."""
    with pytest.raises(BridgeError) as refused:
        fields.texts_of(value, LIMITS)

    assert code == refused.value.code
    assert said in refused.value.message
    assert refused.value.advice
    assert len(str(refused.value)) < 400
    assert refused.value.status == (413 if code.startswith(("too_", "text_")) else 400)


def test_token_ids_are_answered_with_the_way_out() -> None:
    """The setting of LangChain that makes it send text."""
    with pytest.raises(BridgeError) as refused:
        fields.texts_of([[1, 2]], LIMITS)

    assert "check_embedding_ctx_length=False" in refused.value.advice


# --- dimensions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [32, 2560, 0, -1, 99999])
def test_dimensions_is_a_whole_number(value: int) -> None:
    """Its range is judged later, where the alias is known too."""
    assert value == fields.dimensions_of({"dimensions": value}, MODEL)


@pytest.mark.parametrize("body", [{}, {"dimensions": None}])
def test_without_dimensions_the_model_decides(body: dict[str, object]) -> None:
    """Null is as good as nothing."""
    assert fields.dimensions_of(body, MODEL) is None


@pytest.mark.parametrize("value", ["1024", "", 1.5, 1024.0, True, False, [1024], {}, 1e300])
def test_dimensions_of_another_type_are_refused(value: object) -> None:
    """No text, no fraction, no truth value is rounded into a dimension; the range is named."""
    with pytest.raises(DimensionsOutOfRange, match="32 to 2560") as refused:
        fields.dimensions_of({"dimensions": value}, MODEL)

    assert repr(value) in refused.value.message


# --- roles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "hints"),
    [
        ({}, {}, PromptHints()),
        ({"input_type": "query"}, {}, PromptHints((("input_type", "query"),))),
        (
            {"prompt_name": "a", "task": "b", "input_type": "c"},
            {},
            PromptHints((("input_type", "c"), ("task", "b"), ("prompt_name", "a"))),
        ),
        ({"input_type": "", "task": None}, {"x-embed-task": ""}, PromptHints()),
        ({"instruction": "x"}, {"x-embed-task": "sts"}, PromptHints((), "x", "sts")),
        ({"instruction": ""}, {}, PromptHints((), "")),
        ({"role": "query", "type": 5}, {}, PromptHints()),
    ],
)
def test_what_a_request_says_of_its_role(body: dict[str, object], headers: dict[str, str], hints: PromptHints) -> None:
    """The known fields in a fixed order, and the header; empty says nothing, but an empty instruction does."""
    assert hints == fields.hints_of(body, headers)


@pytest.mark.parametrize("name", ["model", "input_type", "task", "prompt_name", "instruction"])
@pytest.mark.parametrize(
    "value", [5, True, ["query"], {"a": 1}, DEEP], ids=lambda value: repr(value)[:12] if value is not DEEP else "deep"
)
def test_names_are_strings(name: str, value: object) -> None:
    """Any other type is refused with a code of the field's own."""
    with pytest.raises(BridgeError, match=f"`{name}` is .* must be a string") as refused:
        fields.model_of({name: value}) if name == "model" else fields.hints_of({name: value}, {})

    assert refused.value.code == f"invalid_{name}"
    assert len(str(refused.value)) < 200


# --- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [None, 0, -1, 300, 1.5, "5m", "1h30m", "-1s", "0", "1.5h", ".5s", "300ms", "1µs", "+5m"]
)
def test_keep_alive_is_seconds_or_a_duration(value: float | str | None) -> None:
    """Whatever Go's duration parser takes goes to Ollama as it is."""
    assert value == fields.keep_alive_of({"keep_alive": value})


@pytest.mark.parametrize(
    "value",
    [
        *("", "300", "5 m", "m", "5x", "5m ", "٣m", "forever", "1h-5m"),
        *(True, [5], {}, 1e300, float("inf"), -1e10, 10**30, 10**400),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_any_other_keep_alive_is_refused(value: object) -> None:
    """Text without a unit, numbers that Go's 64 bits do not hold, infinity out of `1e999`."""
    with pytest.raises(BridgeError, match=r"`keep_alive` is .* duration with a unit") as refused:
        fields.keep_alive_of({"keep_alive": value})

    assert (refused.value.status, refused.value.code) == (400, "invalid_keep_alive")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        (True, "truncate"),
        (False, "error"),
        ("END", "truncate"),
        ("Start", "truncate_start"),
        ("none", "error"),
    ],
)
def test_truncate_is_said_or_not_said(value: bool | str | None, said: str | None) -> None:
    """Null leaves it to the configuration; NVIDIA's and Cohere's words say which end goes, in any case."""
    assert said == fields.on_too_long_of({"truncate": value})


@pytest.mark.parametrize("value", ["true", "", "LEFT", 0, 1, [], ["END"]])
def test_any_other_truncate_is_refused(value: object) -> None:
    """A guess here would be a silent cut."""
    with pytest.raises(BridgeError, match=r"`truncate` is .* true or false, or NONE, START or END"):
        fields.on_too_long_of({"truncate": value})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (None, ()),
        ({}, ()),
        ({"temperature": 0, "seed": 1, "mirostat": 2}, ()),
        ({"num_ctx": 8192, "temperature": 0}, ("num_ctx",)),
        ({"num_thread": 4, "num_ctx": None, "num_batch": 512}, ("num_batch", "num_thread")),
        (
            dict.fromkeys(fields.RELOADING_OPTIONS, 1),
            ("draft_num_predict", "main_gpu", "num_batch", "num_ctx", "num_gpu", "num_thread", "use_mmap"),
        ),
    ],
)
def test_options_that_would_reload_the_model_are_named(options: object, named: tuple[str, ...]) -> None:
    """LangChain sends every option it knows, most of them null."""
    assert named == fields.ignored_options({"options": options})


@pytest.mark.parametrize("options", [5, "num_ctx=1", [], DEEP], ids=["number", "text", "list", "deep"])
def test_options_are_an_object(options: object) -> None:
    """Anything else is refused, as in Ollama."""
    with pytest.raises(BridgeError, match=r"`options` is .* must be an object"):
        fields.ignored_options({"options": options})
