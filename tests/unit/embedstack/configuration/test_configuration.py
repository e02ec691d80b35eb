"""Settings off any struct: what holds for the bridge and the toolkit alike."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from embedstack.configuration.build import build
from embedstack.configuration.layers import ConfigError, from_environment, from_text
from embedstack.configuration.reference import shown
from embedstack.configuration.schema import Schema

Secret = Annotated[str, Meta(extra={"secret": True})]


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str
    token: Secret | None = None
    file: Path | None = None


class Toy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section."""

    peers: Annotated[tuple[Peer, ...], Meta(description="Others.")] = ()
    word: Annotated[Secret | None, Meta(description="A secret.")] = None


class All(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    toy: Toy = Toy()


SCHEMA = Schema(All, "TOY_", "toy.yaml", reserved=frozenset({"TOY_HOME"}))


def test_a_secret_inside_a_list_is_masked_and_a_path_in_it_is_beside_the_file() -> None:
    """What the fields of a list's items are is read off their struct."""
    layer = from_text(SCHEMA, "toy: {peers: [{url: 'http://a:b@c', token: hunter2, file: x}]}", Path("/etc/toy.yaml"))
    settings = build(SCHEMA, layer)

    row = shown(SCHEMA, settings, dict.fromkeys(SCHEMA.table, "file"))[0]

    assert settings.toy.peers[0] == Peer(url="http://a:b@c", token="hunter2", file=Path("/etc/x"))  # noqa: S106
    assert list(row.value) == [{"url": "http://********@c", "token": "********", "file": "/etc/x"}]
    assert "hunter2" not in row.text


@pytest.mark.parametrize(
    "text",
    ["[{url: x, token: hunter2", "[{url: x, token: [hunter2]}]", "[hunter2, {x: ]"],
)
def test_an_error_shows_no_secret_of_a_list(text: str) -> None:
    """Neither where the value cannot be read nor where it does not fit."""
    with pytest.raises(ConfigError, match=r"^TOY_TOY_PEERS: toy\.peers") as caught:
        build(SCHEMA, from_environment(SCHEMA, {"TOY_TOY_PEERS": text}))

    assert "hunter2" not in str(caught.value)


def test_reserved_variables_are_no_settings() -> None:
    """A variable that means something else is not refused, and is suggested where it was meant."""
    assert from_environment(SCHEMA, {"TOY_HOME": "x", "TOY_CONFIG": "y", "OTHER": "z"}) == {}

    with pytest.raises(ConfigError, match=r"TOY_HOMES: no such setting; did you mean 'TOY_HOME'\?"):
        from_environment(SCHEMA, {"TOY_HOMES": "x"})
