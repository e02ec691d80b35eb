"""Fields of other services over the wire: no door ignores one that changes a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.bridge_process import Bridge
from tests.integration.doors import EMBED, EMBEDDING, LEGACY, RENDER, Door, name, refusal

DOORS = (*EMBEDDING, RENDER)
each_door = pytest.mark.parametrize("door", DOORS, ids=name)
TEXT = "公司年假 annual leave"


def asked(bridge: Bridge, door: Door, fields: dict[str, Any], *, inside: bool = False) -> Any:
    return bridge.post(door.path, door.body(TEXT, **({"options": fields} if inside else fields)))


def dimensions(bridge: Bridge, door: Door, fields: dict[str, Any], *, inside: bool = False) -> int:
    """Of the vector that comes, or that would come."""
    response = asked(bridge, door, fields, inside=inside)
    if door is RENDER:
        assert response.status_code == 200, response.text
        return int(response.json()["dimensions"])
    return len(door.vectors(response)[0])


@each_door
@pytest.mark.parametrize("inside", [False, True], ids=["body", "options"])
@pytest.mark.parametrize("field", ["output_dimension", "output_dimensionality", "outputDimensionality", "TRUNCATE_DIM"])
def test_a_size_by_any_name_is_obeyed(bridge: Bridge, door: Door, field: str, inside: bool) -> None:
    """The vector has that size and is the one that `dimensions` gives; one out of range is refused by its name."""
    assert dimensions(bridge, door, {field: 64}, inside=inside) == 64
    if door is not RENDER:
        same = door.vectors(asked(bridge, door, {"dimensions": 64}))
        np.testing.assert_allclose(door.vectors(asked(bridge, door, {field: 64}, inside=inside)), same, atol=1e-6)

    refused = door.refused(asked(bridge, door, {field: 16}, inside=inside))
    assert (refused.status, refused.code) == (400, "dimensions_out_of_range")
    assert f"{field} is 16" in refused.message


@each_door
def test_sizes_that_disagree_are_refused(bridge: Bridge, door: Door) -> None:
    """With each other, and with the model's name."""
    assert door.refused(asked(bridge, door, {"dimensions": 64, "output_dimension": 128})).code == "contradictory_fields"
    response = bridge.post(door.path, {**door.body(TEXT, output_dimension=64), "model": "demo@128"})
    assert door.refused(response).code == "contradictory_dimensions"


@each_door
@pytest.mark.parametrize("inside", [False, True], ids=["body", "options"])
@pytest.mark.parametrize(
    "fields",
    [
        {"output_dtype": "int8"},
        {"embedding_type": "binary"},
        {"embedding_types": ["int8", "float"]},
        {"lateChunking": True},
        {"normalized": False},
        {"normalize": False},
        {"truncate_prompt_tokens": 5},
        {"prompt_template": "query: {text}"},
        {"add_special_tokens": False},
        {"pooling": "mean"},
        {"title": "Leave"},
        {"encodingFormat": "ubinary"},
    ],
    ids=str,
)
def test_a_field_that_asks_for_another_vector_is_refused(
    bridge: Bridge, door: Door, fields: dict[str, Any], inside: bool
) -> None:
    """In the door's shape, with the field and the value as they were sent."""
    refused = door.refused(asked(bridge, door, fields, inside=inside))

    assert (refused.status, refused.code) == (400, "unsupported_field")
    ((field, value),) = fields.items()
    assert f"{field}` is {value!r}" in refused.message


@each_door
@pytest.mark.parametrize("inside", [False, True], ids=["body", "options"])
def test_values_that_change_nothing_pass(bridge: Bridge, door: Door, inside: bool) -> None:
    """Defaults that clients send with every request, and the nulls of langchain-ollama."""
    fields = {
        **{"output_dtype": "float", "embedding_types": ["float"], "late_chunking": False, "normalized": True},
        **{"truncate_prompt_tokens": None, "prompt_template": "", "truncation_side": "right", "output_dimension": None},
    }

    assert dimensions(bridge, door, fields, inside=inside) == 2560


@pytest.mark.parametrize("door", [door for door in DOORS if door is not LEGACY], ids=name)
def test_prompt_is_no_text_but_on_ollamas_old_route(bridge: Bridge, door: Door) -> None:
    """/api/embeddings reads it; elsewhere it would be ignored, or would have been put before every text."""
    refused = door.refused(asked(bridge, door, {"prompt": "query: "}))

    assert (refused.status, refused.code) == (400, "unsupported_field")
    assert "Send the text as `input`" in refused.message


@pytest.mark.parametrize("door", EMBEDDING, ids=name)
@pytest.mark.parametrize(
    "fields",
    [
        {"inputType": "query"},
        {"taskType": "RETRIEVAL_QUERY"},
        {"text_type": "query"},
        {"options": {"input_type": "query"}},
        {"model": "demo-query"},
        {"model": "DEMO-Query:latest"},
    ],
    ids=str,
)
def test_a_role_in_another_services_words_is_a_role(bridge: Bridge, door: Door, fields: dict[str, Any]) -> None:
    """Gemini's and DashScope's fields, a role in `options`, and NVIDIA's names of models."""
    vectors = door.vectors(bridge.post(door.path, {**door.body(TEXT), **fields}))

    np.testing.assert_allclose(vectors, bridge.embed(TEXT, input_type="query"), atol=1e-6)


def test_the_old_route_has_its_text_in_prompt(bridge: Bridge) -> None:
    """And takes what stands beside it as every route does."""
    vector = LEGACY.vectors(bridge.post(LEGACY.path, LEGACY.body(TEXT, outputDimensionality=32)))

    np.testing.assert_allclose(vector, bridge.embed(TEXT, dimensions=32), atol=1e-6)


def test_a_preload_is_judged_alike(bridge: Bridge) -> None:
    """A request without a text that asks for another vector is refused before one with a text follows."""
    refused = refusal(bridge.post(EMBED.path, {"model": "demo", "output_dtype": "int8"}), openai=False)

    assert refused.code == "unsupported_field"
