"""Matryoshka cuts over the wire: any k from 32 to native is NumPy's cut of the full vector, and nothing else is."""

from collections.abc import Iterator

import numpy as np
import pytest

from embedstack.models.demo.build import DemoFiles
from embedstack.vectors.mrl import Vectors
from tests.bridge_process import Bridge
from tests.bridge_process import bridge as start
from tests.integration.doors import EMBED, LEGACY, OPENAI, RENDER, Door, name
from tests.upstreams import faults
from tests.upstreams.apis import OpenAIApi
from tests.upstreams.llama import llama_child
from tests.upstreams.scripted import Vector, scripted

NATIVE = 2560
CUTS = (32, 33, 64, 100, 256, 512, 768, 1024, 1536, 2048, 2559, 2560)
CONFIGURED = 768
TEXT = "公司年假政策有哪些? How many days of annual leave?"
DOORS = (EMBED, LEGACY, OPENAI)

each_door = pytest.mark.parametrize("door", DOORS, ids=name)


@pytest.fixture(scope="module")
def configured() -> Iterator[Bridge]:
    """A bridge whose vectors have 768 dimensions unless a request says otherwise."""
    alias = "{short: 'demo@64', question: 'demo@query'}"
    settings = (f"model.dimensions={CONFIGURED}", f"model.aliases={alias}")
    with start("--demo", *(part for setting in settings for part in ("--set", setting))) as running:
        yield running


@pytest.fixture(scope="module")
def full(bridge: Bridge) -> dict[Door, Vectors]:
    """The native vector (1, 2560) of the text, from each door."""
    return {door: embed(bridge, door) for door in DOORS}


def embed(bridge: Bridge, door: Door, **fields: object) -> Vectors:
    return door.vectors(bridge.post(door.path, door.body(TEXT, **fields)))


def expected(full: Vectors, k: int) -> Vectors:
    """NumPy's own, in double precision."""
    head = full[:, :k].astype(np.float64)
    cut: Vectors = (head / np.linalg.norm(head, axis=1, keepdims=True)).astype(np.float32)
    return cut


def assert_cut(found: Vectors, full: Vectors, k: int) -> None:
    assert found.shape == (len(full), k)
    np.testing.assert_allclose(found, expected(full, k), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@each_door
@pytest.mark.parametrize("k", CUTS)
def test_dimensions_cuts_and_renormalises(bridge: Bridge, full: dict[Door, Vectors], door: Door, k: int) -> None:
    """The first k components of the full vector, of length one again."""
    assert_cut(embed(bridge, door, dimensions=k), full[door], k)


@each_door
@pytest.mark.parametrize("k", CUTS)
def test_an_alias_cuts_the_same(bridge: Bridge, full: dict[Door, Vectors], door: Door, k: int) -> None:
    """`demo@k` is for clients that can send nothing but a model's name."""
    assert_cut(embed(bridge, door, model=f"demo@{k}"), full[door], k)


@each_door
def test_alias_and_field_may_say_the_same(bridge: Bridge, full: dict[Door, Vectors], door: Door) -> None:
    """What is said twice and agrees contradicts nothing."""
    assert_cut(embed(bridge, door, model="demo@100", dimensions=100), full[door], 100)


def test_the_doors_agree(full: dict[Door, Vectors]) -> None:
    """One text, one vector, whichever API it is asked for over."""
    for vectors in full.values():
        np.testing.assert_allclose(vectors, full[EMBED], rtol=0, atol=1e-6)


@pytest.mark.parametrize("k", CUTS)
def test_base64_is_the_same_vector(bridge: Bridge, k: int) -> None:
    """Bit for bit what the floats say, in little-endian float32."""
    floats = embed(bridge, OPENAI, dimensions=k, encoding_format="float")

    np.testing.assert_array_equal(floats, embed(bridge, OPENAI, dimensions=k, encoding_format="base64"))


def test_every_text_of_a_batch_is_cut(bridge: Bridge) -> None:
    """Each by its own norm, in order; with a role as without."""
    texts = [TEXT, "hello", "", "出差报销需要哪些发票？"]
    for role in ("query", "document"):
        for door in (EMBED, OPENAI):
            full = door.vectors(bridge.post(door.path, door.body(texts, input_type=role)))
            short = door.vectors(bridge.post(door.path, door.body(texts, input_type=role, dimensions=100)))

            assert_cut(short, full, 100)


@each_door
def test_a_configured_dimension_holds_where_none_is_asked_for(
    bridge: Bridge, configured: Bridge, full: dict[Door, Vectors], door: Door
) -> None:
    """The request is stronger, then the alias, then the configuration, then the model."""
    native = full[door]

    assert_cut(embed(configured, door), native, CONFIGURED)
    assert_cut(embed(configured, door, dimensions=None), native, CONFIGURED)
    assert_cut(embed(configured, door, dimensions=NATIVE), native, NATIVE)
    assert_cut(embed(configured, door, dimensions=100), native, 100)
    assert_cut(embed(configured, door, model="demo@33"), native, 33)
    assert_cut(embed(configured, door, model="short"), native, 64)
    assert_cut(embed(configured, door, model="short@128"), native, 128)
    query = embed(bridge, door, input_type="query")
    assert_cut(embed(configured, door, model="question"), query, CONFIGURED)
    assert_cut(embed(configured, door, model="question@64"), query, 64)


@pytest.mark.parametrize("door", [*DOORS, RENDER], ids=name)
@pytest.mark.parametrize("value", [0, -1, 1, 31, 2561, 99999, 2**63, 10**30, 1.5, 64.0, "1024", "", True, False, [64]])
def test_any_other_dimension_is_refused(bridge: Bridge, door: Door, value: object) -> None:
    """The message names the range and what was sent; Ollama would have answered with the native size."""
    refused = door.refused(bridge.post(door.path, door.body(TEXT, dimensions=value)))

    assert (refused.status, refused.code) == (400, "dimensions_out_of_range")
    assert "a whole number from 32 to 2560" in refused.message
    assert f"dimensions is {1e30 if value == 10**30 else value!r}," in refused.message
    assert "Leave it out" in refused.message


@pytest.mark.parametrize("door", [*DOORS, RENDER], ids=name)
@pytest.mark.parametrize("value", [0, 1, 31, 2561, 99999])
def test_an_alias_out_of_range_is_refused(bridge: Bridge, door: Door, value: int) -> None:
    """A number after the @ is a dimension like any other, zero too."""
    refused = door.refused(bridge.post(door.path, door.body(TEXT, model=f"demo@{value}")))

    assert (refused.status, refused.code) == (400, "dimensions_out_of_range")
    assert f"dimensions is {value}, but must be a whole number from 32 to 2560" in refused.message


@pytest.mark.parametrize("door", [*DOORS, RENDER], ids=name)
def test_two_dimensions_that_disagree_are_refused(bridge: Bridge, door: Door) -> None:
    """The model's name says one, the field another: nobody knows which was meant."""
    refused = door.refused(bridge.post(door.path, door.body(TEXT, model="demo@512", dimensions=256)))

    assert (refused.status, refused.code) == (400, "contradictory_dimensions")
    assert all(said in refused.message for said in ("'demo@512'", "dimensions=256", "Send one of them"))


def hollow(vectors: list[Vector]) -> list[Vector]:
    """Unit vectors with nothing in their first 32 components, which no model makes."""
    return [np.eye(1, NATIVE, 32 + n, dtype=np.float32)[0] for n, _ in enumerate(vectors)]


def test_a_vector_without_a_head_is_not_cut_to_nothing(demo: DemoFiles) -> None:
    """Zeros have no direction: an error that says so, where the full vector is still good."""
    with (
        llama_child(demo.gguf, model="demo") as real,
        scripted(real, OpenAIApi()) as (url, upstream),
        start("--upstream", url, "--set", "model.id=demo") as running,
    ):
        upstream.play(then=faults.rows(hollow))
        for door in DOORS:
            assert embed(running, door)[0, 32] == 1
            refused = door.refused(running.post(door.path, door.body(TEXT, dimensions=32)))

            assert (refused.status, refused.code) == (502, "engine_answer_invalid")
            assert "cannot be cut to 32 dimensions" in refused.message
            assert "Ask for more dimensions" in refused.message
        assert "Traceback" not in running.log.read_text(errors="replace")
