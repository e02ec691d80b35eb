"""Changes: to values of JSON, to text, to bytes. Each takes what decides from a chance that can be made again."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.fuzz.case import Chance

LONE = ("\ud800", "\udfff", "a\udc80b", "\ud83d")
STRINGS = (
    *(
        "",
        " ",
        "\0",
        "\n",
        "\r\n",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\uffff",
        "\U0010ffff",
        "e\u0301",
        "한국어",
        "年假",
        "👩‍🚀",
    ),
    *("null", "NaN", "-1", "true", "demo@32", "demo@query", "demo@", "@", "../../etc", "%00", "%2e%2e", "Instruct: x"),
    *("<|endoftext|>", "query", "document", "classification", "base64", "float", "ubinary", "5m", "-1s", *LONE),
)
NUMBERS = (0, -1, 1, 31, 32, 33, 256, 1024, 2559, 2560, 2561, 2**31, 2**63, 2**64, -(2**63), 10**40, 0.5, -0.0, 1e308)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    [1, 2, 3],
    ["a", 1],
    [["a"]],
    float("nan"),
)
FIELDS = (
    *("model", "input", "prompt", "dimensions", "truncate", "keep_alive", "options", "encoding_format", "user"),
    *("input_type", "task", "prompt_name", "instruction", "fingerprint", "text", "texts", "role", "name", "verbose"),
    *("output_dimension", "embedding_type", "late_chunking", "normalized", "stream", "__proto__", "", "\ud800"),
)


def value(chance: Chance) -> Any:
    """Any value that JSON, or Python's idea of it, can hold."""
    kind = chance.random()
    if kind < 0.4:
        return string(chance)
    if kind < 0.65:
        return chance.choice(NUMBERS)
    if kind < 0.9:
        return chance.choice(OTHERS)
    return _nested(chance.choice((3, 30, 200)), chance)


def string(chance: Chance) -> str:
    if chance.random() < 0.8:
        return "".join(chance.choice(STRINGS) for _ in range(chance.randint(1, 3)))
    return chance.choice(STRINGS) + chance.choice("ax 年") * chance.choice((100, 1_000, 70_000))


def changed(body: Any, chance: Chance) -> Any:
    """The same with one to three parts of it replaced, removed, doubled or added."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        body = _change(body, chance)
    return body


def _change(body: Any, chance: Chance) -> Any:
    if isinstance(body, dict) and body and chance.random() < 0.9:
        key = chance.choice(list(body))
        act = chance.random()
        if act < 0.15:
            return {name: held for name, held in body.items() if name != key}
        if act < 0.45:
            return {**body, chance.choice(FIELDS): value(chance)}
        return {**body, key: _change(body[key], chance)}
    if isinstance(body, list) and body and chance.random() < 0.8:
        at = chance.randrange(len(body))
        act = chance.random()
        if act < 0.2:
            return body * chance.choice((2, 3, 40))
        return [*body[:at], _change(body[at], chance), *body[at + 1 :]] if act < 0.8 else body[:at]
    if isinstance(body, str) and chance.random() < 0.4:
        at = chance.randint(0, len(body))
        return body[:at] + string(chance) + body[at:]
    return value(chance)


def encoded(body: Any, chance: Chance) -> bytes:
    """As JSON: with escapes, in UTF-8 as it stands (surrogates too), or with blanks between."""
    way = chance.random()
    if way < 0.5:
        return json.dumps(body).encode()
    if way < 0.8:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return json.dumps(body, indent=chance.choice((None, 2, "\t"))).encode()


def damaged(data: bytes, chance: Chance) -> bytes:
    """Bytes changed, inserted, doubled or cut."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        end = min(end, at + 40)
        act = chance.randrange(5)
        if act == 0:
            data = data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at:]
        elif act == 1:
            data = data[:at] + data[end:]
        elif act == 2:
            data = data[:end] + data[at:]
        elif act == 3:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        else:
            data = data[: at or 1]
    return data


def _nested(levels: int, chance: Chance) -> Any:
    made: Any = chance.choice(("x", 1, None))
    as_list = chance.random() < 0.5
    for _ in range(levels):
        made = [made] if as_list else {"a": made}
    return made
