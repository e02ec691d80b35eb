"""A body is read as Ollama's own JSON decoder reads it: strictly, but for text that is not Unicode."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedstack.bridge.api.body import parse
from embedstack.bridge.errors import BadRequest

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"input":"x"}', {"input": "x"}),
        (b' \r\n\t{"input" : "\xe5\xb9\xb4\\u5047"}\n', {"input": "年假"}),
        (b'{"input":"a\\ud800b"}', {"input": "a\ud800b"}),
        (b'{"input":"\\ud83d\\ude00"}', {"input": "😀"}),
        (b'{"input":"a\xffb"}', {"input": "a\ufffdb"}),
        (b'{"input":"\xed\xa0\x80"}', {"input": "\ufffd\ufffd\ufffd"}),
        (b'{"input":"\xe5\xb9"}', {"input": "\ufffd\ufffd"}),
        (b'{"input":"\\u0000"}', {"input": "\x00"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b"[" * 500 + b"]" * 500, None),
    ],
)
def test_what_go_would_read_is_read(body: bytes, value: object) -> None:
    """Escaped surrogates and bytes that are not UTF-8 cost the letter, not the request."""
    found = parse(body)

    assert value is None or value == found


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"{",
            b"}",
            b"nonsense",
            b'{"input":}',
            b'{"input":"x"',
            b'{"input":"x"}}',
            b'{"input":"x"} x',
            b"{'input':'x'}",
        ),
        *(b'{"input":NaN}', b'{"input":Infinity}', b'{"input":-Infinity}', b'{"x":"\xff","input":NaN}'),
        *(
            b'{"input":"a\x00b"}',
            b'{"input":"a\nb"}',
            b'{"input":"\\x41"}',
            b'{"input":"\\ud8"}',
            b'{"a":01}',
            b'{"a":1,}',
        ),
        *(b"\xef\xbb\xbf{}", '{"input":"x"}'.encode("utf-16"), b"\xff\xfe\x00", b"\x1f\x8b\x08\x00", b"a=1&b=2"),
        *(b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000, b'{"x":"\xff","a":' + b"[" * 100_000),
        *(b'{"x":"\xff","a":' + b"9" * 5000 + b"}",),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """NaN, raw control characters, foreign encodings, endless brackets: always the one clear error."""
    with pytest.raises(BadRequest, match=r"^The body is not valid JSON: ") as refused:
        parse(body)

    assert refused.value.code == "invalid_json"
    assert len(str(refused.value)) < 400


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_parse_or_be_refused(body: bytes) -> None:
    """Whatever a client sends."""
    try:
        parse(body)
    except BadRequest as refused:
        assert refused.code == "invalid_json"  # noqa: PT017 -- most drawn bytes are refused, and some are not


@given(VALUES)
def test_every_json_value_comes_through(value: object) -> None:
    """The strict decoder and the lenient one say the same of whatever Python can write."""
    assert value == parse(json.dumps(value).encode())


def test_numbers_beyond_64_bits_are_numbers() -> None:
    """They are nobody's dimension, which is for the field to say."""
    assert math.isclose(parse(b"9" * 30), 1e30)
