"""A folder of the stack that cannot be used, asked for its supervisor."""

from pathlib import Path

import pytest

from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.native import client, protocol
from embedstack.deploy.native.protocol import Request
from embedstack.deploy.places import Places
from embedstack.readers import content


def test_below_a_file_there_is_no_stack(tmp_path: Path) -> None:
    """Nothing runs there, and nothing is recorded."""
    (tmp_path / "file").touch()
    places = Places(tmp_path / "file" / "home")

    assert protocol.call(places, Request("status")) is None
    assert protocol.read_record(places) is None
    assert client.status(places) is None


def test_a_folder_that_may_not_be_read_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is a refusal of the system; root, who is refused nothing, sees it as well."""

    def refused(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(protocol, "_exchange", refused)
    monkeypatch.setattr(content, "read", refused)
    with pytest.raises(FolderNotUsable, match="Permission denied") as caught:
        protocol.call(Places(tmp_path), Request("status"))
    assert "EMBEDSTACK_HOME" in caught.value.advice
    with pytest.raises(FolderNotUsable, match=r"supervisor\.json cannot be read"):
        protocol.read_record(Places(tmp_path))
