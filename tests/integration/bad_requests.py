"""Requests that make no sense, as a table: which doors must refuse them, with what status, code and words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.integration.doors import BARE, EMBED, EMBEDDING, EVERY, LEGACY, OPENAI, RENDER, SHOW, Door

BODY_LIMIT, TEXT_LIMIT, TEXTS_LIMIT = 1024 * 1024, 64 * 1024, 100
CONTEXT = 64
LIMIT = CONTEXT - 2  # tokens of text: one is EOS, one stays free
LONG = "annual leave " * 400

LISTS = (EMBED, OPENAI, BARE, RENDER)  # doors that take a list of texts
ONE = (LEGACY,)
WITH_TEXT = (*EMBEDDING, RENDER)
V1 = (OPENAI, BARE)
SERVED = "Served: demo:stand-in, demo"
NO_ROLE = ("which is not a known role or task", "Known: ", "`instruction`")

Make = Callable[[Door], object]


@dataclass(frozen=True)
class Refusal:
    """What each of `doors` must answer; `said` must all stand in the message."""

    code: str
    said: tuple[str, ...]
    doors: tuple[Door, ...] = EVERY
    status: int = 400


@dataclass(frozen=True)
class Case:
    """One request to one door."""

    id: str
    door: Door
    make: Make
    expected: Refusal
    headers: Mapping[str, str]


def exactly(body: bytes) -> Make:
    return lambda _: body


def json_text(value: bytes, more: bytes = b"") -> Make:
    """A body whose text is a piece of JSON that Python would not write."""
    return lambda door: b'{"model":"demo","%s":%s%s}' % (door.key.encode(), value, more)


def text(value: object) -> Make:
    return lambda door: door.body(value)


def fields(**values: object) -> Make:
    return lambda door: door.body("x", **values)


def encoded(before: bytes, encoding: str) -> Make:
    return lambda door: before + json.dumps(door.body("x")).encode(encoding)


def no_object(kind: str) -> Refusal:
    return Refusal("invalid_json", (f"The body is a JSON {kind}, not an object.", "Send an object"))


def must_be(code: str, *said: str, doors: tuple[Door, ...] = WITH_TEXT) -> Refusal:
    return Refusal(code, said, doors)


BODIES: tuple[tuple[Refusal, dict[str, Make]], ...] = (
    (
        Refusal("missing_body", ("missing request body", "Send JSON")),
        {"empty": exactly(b""), "blank": exactly(b" \r\n\t ")},
    ),
    (
        Refusal("invalid_json", ("The body is not valid JSON", "Correct it")),
        {
            "broken": exactly(b'{"model":'),
            "form": exactly(b"model=demo&input=x"),
            "trailing": json_text(b'"x"', b"}"),
            "nan": json_text(b"NaN"),
            "infinity": json_text(b'["x", -Infinity]'),
            "nul byte": json_text(b'"a\x00b"'),
            "utf-16": encoded(b"", "utf-16"),
            "bom": encoded(b"\xef\xbb\xbf", "utf-8"),
            "gzip unannounced": exactly(b"\x1f\x8b\x08\x00\x00\x00"),
            "endless brackets": json_text(b"[" * 100_000),
            "100,000 brackets": json_text(b"[" * 100_000 + b"]" * 100_000),
            "5,000 digits": json_text(b"9" * 5000),
        },
    ),
    (no_object("array"), {"array": exactly(b'["x"]')}),
    (no_object("string"), {"string": exactly(b'"x"')}),
    (no_object("number"), {"number": exactly(b"5")}),
    (no_object("null"), {"null": exactly(b"null")}),
    (no_object("boolean"), {"boolean": exactly(b"true")}),
    (
        Refusal("body_too_large", (f"larger than {BODY_LIMIT} bytes", "limits.body_bytes"), status=413),
        {"body too large": text("x" * BODY_LIMIT)},
    ),
)

WRONG_TEXTS: dict[str, Make] = {
    **{"number": text(5), "zero": text(0), "float": text(1.5), "boolean": text(True), "object": text({"text": "x"})},
    **{"empty object": text({}), "nulls": text([None]), "floats": text([1.5]), "objects": text([{}])},
    **{"nested": text([["x"]]), "hollow": text([[]]), "deep": json_text(b"[" * 900 + b"]" * 900)},
    "as deep as JSON goes": json_text(b"[" * 1000 + b"]" * 1000),
}
TOKENS = {"tokens": text([1, 2, 3]), "token lists": text([[1, 2], [3]]), "mixed": text(["x", 17])}
TEXTS: tuple[tuple[Refusal, dict[str, Make]], ...] = (
    (must_be("invalid_input", "`input` must be a string or a list of strings", doors=LISTS), WRONG_TEXTS),
    (
        must_be("invalid_input", "`prompt` is", "must be a string", "use /api/embed", doors=ONE),
        {**WRONG_TEXTS, **TOKENS, "empty list": text([]), "list": text(["x"])},
    ),
    (must_be("token_ids", "token ids", "Send text", "check_embedding_ctx_length=False", doors=LISTS), TOKENS),
    (must_be("no_input", "nothing to embed", "Send a", doors=V1), {"no texts": text([]), "null": text(None)}),
    (
        Refusal("too_many_texts", ("has 101 texts; at most 100", "limits.texts"), LISTS, 413),
        {"101 texts": text(["x"] * 101)},
    ),
    (
        Refusal("text_too_large", (f"larger than {TEXT_LIMIT} bytes", "limits.text_bytes"), WITH_TEXT, 413),
        {"large text": text("年" * (TEXT_LIMIT // 3 + 1))},
    ),
    (
        must_be("input_too_long", "input 0 has", f"tokens; the limit is {LIMIT}", "truncate: true", doors=EMBEDDING),
        {"long": text(LONG), "long, truncate false": lambda door: door.body(LONG, truncate=False)},
    ),
    (
        must_be("input_too_long", "input 1 has", f"tokens; the limit is {LIMIT}", doors=(EMBED, *V1)),
        {"second long": text(["x", LONG]), "truncate null": fields(input=["x", LONG], truncate=None)},
    ),
    (
        must_be("input_too_long", "The instruction alone fills", "Shorten", doors=(EMBED, *V1)),
        {"long instruction": fields(instruction=LONG, truncate=True)},
    ),
)

NAMES_AND_ROLES: tuple[tuple[Refusal, dict[str, Make]], ...] = (
    (
        Refusal("model_not_found", ("is not served here", SERVED), status=404),
        {
            **{"unknown model": fields(model="nomic-embed-text"), "untagged": fields(model="qwen3-embedding")},
            **{"the 4B": fields(model="qwen3-embedding:4b")},
            **{"nul": fields(model="demo\x00"), "long name": fields(model="m" * 100_000), "blank": fields(model=" ")},
        },
    ),
    (
        Refusal("model_not_found", ("model '' not found", SERVED), (*LISTS,), 404),
        {"no model": fields(model=None), "empty model": fields(model="")},
    ),
    (
        must_be("missing_model", "model is required", SERVED, doors=(LEGACY, SHOW)),
        {"no model": fields(model=None), "empty model": fields(model="")},
    ),
    (
        must_be("invalid_model", "`model` is", "must be a string", "Correct"),
        {"model a number": fields(model=5), "model a list": fields(model=["demo"])},
    ),
    (
        must_be("invalid_alias", "has an option", "cannot be read", "name@query,1024", doors=EVERY),
        {
            **{"nothing after @": fields(model="demo@"), "two roles": fields(model="demo@query,document")},
            **{"two dimensions": fields(model="demo@64,128"), "comma": fields(model="demo@query,")},
            "5,000 digits after @": fields(model="demo@" + "9" * 5000),
        },
    ),
    (
        must_be("unknown_role", "input_type is 'serch_query'", "Did you mean 'search_query'?", *NO_ROLE),
        {"input_type": fields(input_type="serch_query")},
    ),
    (must_be("unknown_role", "task is 'nonsense'", *NO_ROLE), {"task": fields(task="nonsense")}),
    (must_be("unknown_role", "prompt_name is 'nonsense'", *NO_ROLE), {"prompt_name": fields(prompt_name="nonsense")}),
    (must_be("unknown_role", "model alias is 'nonsense'", *NO_ROLE), {"alias": fields(model="demo@nonsense")}),
    (
        must_be("invalid_string", r"holds '\ud800', which is half of a character", "Send whole", doors=EVERY),
        {
            **{name: fields(**{name: "\ud800"}) for name in ("model", "task", "instruction")},
            "a name": fields(**{"\ud800": 1}),
        },
    ),
    (must_be("unknown_role", *NO_ROLE), {"long role": fields(task="q" * 100_000)}),
    *(
        (
            must_be(f"invalid_{name}", f"`{name}` is ['query']", "must be a string", "Correct"),
            {name: fields(**{name: ["query"]})},
        )
        for name in ("input_type", "task", "prompt_name", "instruction")
    ),
    (
        must_be("contradictory_roles", "contradicts itself", "input_type='query'", "task='passage'", "Send one"),
        {"contradiction": fields(input_type="query", task="passage")},
    ),
)

OTHERS: tuple[tuple[Refusal, dict[str, Make]], ...] = (
    (
        must_be("invalid_truncate", "`truncate` is", "true or false", "Correct", doors=EMBEDDING),
        {"truncate a text": fields(truncate="true"), "truncate a number": fields(truncate=1)},
    ),
    (
        must_be("invalid_keep_alive", "`keep_alive` is", "duration with a unit", '"5m"', doors=EMBEDDING),
        {f"keep_alive {value}": fields(keep_alive=value) for value in ("300", "soon", True, [1], 1e300)},
    ),
    (
        must_be("invalid_options", "`options` is", "must be an object", "Correct", doors=EMBEDDING),
        {
            **{"options a text": fields(options="num_ctx=1"), "options a list": fields(options=[1])},
            "options deep": json_text(b'"x"', b',"options":' + b"[" * 900 + b"]" * 900),
        },
    ),
    (
        must_be("invalid_encoding_format", "`encoding_format` is", "'float' or 'base64'", "Leave it out", doors=V1),
        {f"encoding {str(v)[:8]}": fields(encoding_format=v) for v in ("int8", 5, ["float"], "b" * 100_000)},
    ),
)

HEADERS: tuple[tuple[Refusal, dict[str, str]], ...] = (
    *(
        (
            Refusal("unsupported_encoding", (f"encoded as '{kind}'", "without Content-Encoding"), status=415),
            {"Content-Encoding": kind},
        )
        for kind in ("gzip", "deflate", "br", "x")
    ),
    (must_be("unknown_role", "header X-Embed-Task is 'nonsense'", *NO_ROLE), {"X-Embed-Task": "nonsense"}),
)

CASES = (
    *(
        Case(f"{label} {door.path}", door, make, expected, {})
        for expected, requests in (*BODIES, *TEXTS, *NAMES_AND_ROLES, *OTHERS)
        for label, make in requests.items()
        for door in expected.doors
    ),
    *(
        Case(f"{'='.join(*headers.items())} {door.path}", door, text("x"), expected, headers)
        for expected, headers in HEADERS
        for door in expected.doors
    ),
)
