"""`embedstack model list|pull|verify|import|export`, with a catalogue of the test's own."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml
from rich.console import Console

from embedstack.deploy import console as result
from embedstack.deploy.console import Report
from embedstack.deploy.demo.model import DemoModel
from embedstack.deploy.errors import FolderNotUsable, HubUnreachable, InvalidModel, NotEnoughSpace, WrongBytes
from embedstack.deploy.hub import transfer
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models import files as model_files
from embedstack.deploy.models import show
from embedstack.deploy.models.files import Pulled
from embedstack.models.catalog import NotInCatalog
from embedstack.models.demo.build import DemoFiles
from tests.followed import Said
from tests.hub.conftest import NAME, entry
from tests.hub.content import Content, Small
from tests.hub.server import REPOSITORY, REVISION, Hub

CONFIG = Small(b'{"architectures": ["Qwen3Model"]}')


@pytest.fixture
def own(content: Content, tmp_path: Path) -> Path:
    """A catalogue with the model `toy`, its file, and one that is in no repository."""
    files = [
        msgspec.to_builtins(entry(content)),
        {"quantisation": "f16", "repository": None, "revision": None, "file": "mine.gguf"}
        | {"bytes": 4096, "sha256": Content(4096, seed=5).sha256},
    ]
    model = {
        "hub_id": None,
        "parameters": 1000,
        "dimensions": 64,
        "context": {"trained": 1024, "recommended": 512},
        "kv_bytes_per_token": 10,
        "header": {"required": {"general.architecture": "qwen3"}},
        "default_quantisation": "Q4_K_M",
        "safetensors": {"repository": REPOSITORY, "revision": REVISION, "sha256": None, "reason": "none was published"},
        "files": files,
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"models": {"toy": model}}))
    return path


@pytest.fixture
def disk(content: Content, tmp_path: Path) -> Path:
    """The model's file under another name, as on a disk that somebody brought."""
    path = tmp_path / "disk" / "download (3).gguf"
    path.parent.mkdir()
    path.write_bytes(content.whole())
    return path


def _pulled(got: Pulled | DemoModel) -> Pulled:
    assert isinstance(got, Pulled)
    return got


def _text(shown: result.Data) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(shown, crop=False)
    return captured.get()


def test_pull_then_list_then_verify(content: Content, source: Source, report: Report, own: Path) -> None:
    """What was pulled is listed as here and verifies; a second pull says that it was here."""
    before = show.models(source, own)
    pulled = _pulled(model_files.pull("toy", None, source, report, own))
    after = show.models(source, own)
    checked = model_files.verify("toy", None, source, report, own)

    assert not [file for file in before.files if file.model == "toy" and file.path]
    here = [(file.path.name, file.default) for file in after.files if file.model == "toy" and file.path]
    assert here == [(NAME, True)]
    assert (content.sha256, pulled.path) == (checked.sha256, checked.path)
    assert _pulled(model_files.pull("toy", None, source, report, own)) == replace(pulled, already=True)
    assert str(pulled.path) in _text(pulled)


def test_list_says_why_a_file_cannot_be_chosen(source: Source) -> None:
    """Every file of the catalogue is listed, with its size; one that cannot be chosen has its reason."""
    listed = show.models(source)

    by_name = {(file.model, file.quantisation): file for file in listed.files}
    assert by_name["qwen3-embedding:4b", "Q4_K_M"].bytes == 2496703776
    assert not by_name["qwen3-embedding:4b", "Q5_0"].selectable
    assert "Q5_0 cannot be chosen: neither size nor sha256" in _text(listed)


def test_pull_of_the_demo_builds_it(demo: DemoFiles, source: Source, report: Report, hub: Hub) -> None:
    """The model `demo` comes from this machine, not from a Hub."""
    built = model_files.pull("demo", None, source, report)

    assert isinstance(built, DemoModel)
    assert (demo.gguf, []) == (built.gguf, hub.asked)


def test_an_unknown_model_is_reported_with_the_nearest(source: Source, report: Report) -> None:
    """A name that is none is refused with the nearest known one."""
    with pytest.raises(NotInCatalog, match="did you mean 'qwen3-embedding:4b'"):
        model_files.pull("qwen3-embeding:4b", None, source, report)


def test_import_puts_it_where_a_download_lands(
    content: Content, hub: Hub, source: Source, report: Report, own: Path, disk: Path
) -> None:
    """A file of any name is known by its sha256; afterwards a pull finds it, without a request."""
    got = model_files.import_(disk, source, report, own)
    pulled = _pulled(model_files.pull("toy", None, source, report, own))

    assert (got.path, got.sha256, True) == (pulled.path, content.sha256, pulled.already)
    assert got.path.read_bytes() == disk.read_bytes()
    assert hub.asked == []
    assert model_files.import_(disk, source, report, own) == replace(got, already=True)


def test_import_from_another_disk_copies_and_reads_again(
    content: Content, source: Source, report: Report, own: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is another one, which has no hard links to ours, the file is copied."""
    monkeypatch.setattr(os, "link", _refuses)

    got = model_files.import_(disk, source, report, own)

    assert content.whole() == got.path.read_bytes()
    assert got.path.resolve().stat().st_ino != disk.stat().st_ino


def test_import_of_an_unknown_file_is_refused(source: Source, report: Report, own: Path, tmp_path: Path) -> None:
    """A GGUF that the catalogue does not have: its sha256 is reported, and how a file of one's own is added."""
    other = tmp_path / "other.gguf"
    other.write_bytes(b"GGUF")

    with pytest.raises(WrongBytes, match="is not a file of the catalogue: 4 bytes with sha256 ") as refused:
        model_files.import_(other, source, report, own)

    assert "model.catalog" in refused.value.advice


def test_import_of_a_damaged_file_says_which_it_may_be(
    content: Content, source: Source, report: Report, own: Path, disk: Path
) -> None:
    """One flipped byte: refused, and the file of the same length is named."""
    disk.write_bytes(Content(content.size, content.seed, flipped=1000).whole())

    with pytest.raises(WrongBytes, match=f"as long as {NAME}, so this copy may be damaged"):
        model_files.import_(disk, source, report, own)


def test_a_file_of_a_catalogue_of_ones_own_needs_no_repository(
    source: Source, report: Report, own: Path, tmp_path: Path, home: Path
) -> None:
    """A file that is in no repository is imported beside the stacks, and a pull takes it from there."""
    mine = tmp_path / "x.gguf"
    mine.write_bytes(Content(4096, seed=5).whole())
    with pytest.raises(InvalidModel, match="in no repository"):
        model_files.pull("toy", "f16", source, report, own)

    got = model_files.import_(mine, source, report, own)

    assert got.path.is_relative_to(home)
    assert got.path == _pulled(model_files.pull("toy", "f16", source, report, own)).path


def test_export_carries_a_file_and_its_entry(
    content: Content, source: Source, report: Report, own: Path, tmp_path: Path
) -> None:
    """A machine without a network imports what another exported; the entry beside it says what it is."""
    model_files.pull("toy", None, source, report, own)
    out = model_files.export("toy", None, tmp_path / "stick", source, report, own)

    elsewhere = Source("http://127.0.0.1:9", True, tmp_path / "elsewhere")
    got = model_files.import_(out.path, elsewhere, report, own)

    assert content.whole() == got.path.read_bytes()
    reported = yaml.safe_load(out.entry.read_text())
    assert ("toy", NAME, content.size, content.sha256) == tuple(
        reported[key] for key in ("model", "file", "bytes", "sha256")
    )
    assert f"model import {NAME}" in _text(out)


def test_a_copy_that_a_disk_has_damaged_is_removed(
    source: Source, report: Report, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick that keeps other bytes than were written to it: the export fails, and no wrong file is on it."""
    path = _pulled(model_files.pull("toy", None, source, report, own)).path

    def damages(origin: Path, target: Path, _: Report) -> bool:
        target.write_bytes(origin.read_bytes()[:-1] + b"?")
        return True

    monkeypatch.setattr(transfer, "duplicate", damages)
    with pytest.raises(WrongBytes):
        model_files.export("toy", None, tmp_path / "stick", source, report, own)

    assert path.exists()
    assert list((tmp_path / "stick").iterdir()) == []


def test_export_to_where_it_is_leaves_it_there(content: Content, source: Source, report: Report, own: Path) -> None:
    """The folder of the cache itself as the target harms nothing."""
    path = _pulled(model_files.pull("toy", None, source, report, own)).path

    model_files.export("toy", None, path.parent, source, report, own)

    assert content.whole() == path.read_bytes()


def test_export_of_what_is_not_here_says_how_to_get_it(
    source: Source, report: Report, own: Path, tmp_path: Path
) -> None:
    """A file that was never fetched cannot be exported; fetched by the name in the advice, it can."""
    with pytest.raises(InvalidModel, match="is not in ") as refused:
        model_files.export("toy", None, tmp_path / "stick", source, report, own)

    advised = Said(1, refused.value.advice).advised("fetches it, `embedstack model import FILE` takes it from a disk")
    model_files.pull(advised.command()[-1], None, source, report, own)
    model_files.export("toy", None, tmp_path / "stick", source, report, own)


def test_export_to_where_nobody_may_write(source: Source, report: Report, own: Path, tmp_path: Path) -> None:
    """The folder is named in the error."""
    model_files.pull("toy", None, source, report, own)
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderNotUsable, match="file/stick") as refused:
        model_files.export("toy", None, tmp_path / "file" / "stick", source, report, own)

    assert "hub.cache" not in refused.value.advice


def test_a_copy_needs_room(
    source: Source, report: Report, own: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import that must copy onto a full disk says so first, and leaves nothing there."""
    full = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    monkeypatch.setattr(os, "link", _refuses)

    with pytest.raises(NotEnoughSpace):
        model_files.import_(disk, source, report, own)

    assert show.models(source, own).files[-2].path is None


def test_a_file_that_decayed_unseen_is_found_by_verify(
    content: Content, source: Source, report: Report, own: Path
) -> None:
    """Bytes that change while size, time and inode stay: `verify` finds it, and then `pull` replaces it."""
    path = _pulled(model_files.pull("toy", None, source, report, own)).path.resolve()
    _decay(path)
    assert _pulled(model_files.pull("toy", None, source, report, own)).already

    with pytest.raises(WrongBytes, match="expected is") as refused:
        model_files.verify("toy", None, source, report, own)

    name = Said(1, refused.value.advice).advised("replaces a wrong file in the Hub's cache").command()[-1]
    assert not _pulled(model_files.pull(name, None, source, report, own)).already
    assert content.whole() == path.read_bytes()


def test_the_demo_model_is_verified_where_it_is_built(demo: DemoFiles, source: Source, report: Report) -> None:
    """Beside the bridge's cache, not in the Hub's."""
    assert model_files.verify("demo", None, source, report).path == demo.gguf


def test_the_folder_of_a_model_is_verified_by_the_hubs_own_digests(
    content: Content, hub: Hub, source: Source, report: Report, own: Path
) -> None:
    """All that an engine reads is fetched, and nothing else; what it was verified against is reported."""
    weights = Content(1_000_000, seed=3)
    hub.files = {
        "config.json": CONFIG,
        "1_Pooling/config.json": Small(b"{}"),
        "model.safetensors": weights,
        "README.md": Small(b"# Toy"),
        NAME: content,
    }

    got = _pulled(model_files.pull("toy", "bf16", source, report, own))
    hub.asked.clear()
    again = _pulled(model_files.pull("toy", "bf16", source, report, own))

    there = sorted(str(path.relative_to(got.path)) for path in got.path.rglob("*") if path.is_file())
    assert there == ["1_Pooling/config.json", "config.json", "model.safetensors"]
    assert weights.whole() == (got.path / "model.safetensors").read_bytes()
    assert "1 by sha256, 2 by git's ids), since none was published" in got.note
    assert ([], True, got.path) == (hub.asked, again.already, again.path)


@pytest.mark.parametrize("wrong", ["config.json", "model.safetensors"])
def test_a_wrong_byte_in_the_folder_is_refused(wrong: str, hub: Hub, source: Source, report: Report, own: Path) -> None:
    """A shard or a small file that does not have its digest is refused and removed."""
    weights = Content(1_000_000, seed=3)
    hub.files = {"config.json": CONFIG, "model.safetensors": weights}
    hub.spoilt = wrong

    with pytest.raises(WrongBytes, match="sent is wrong"):
        model_files.pull("toy", "bf16", source, report, own)

    assert not [path for path in source.folder.rglob(wrong) if path.exists()]


def test_a_folder_without_a_hub_says_what_is_needed(report: Report, own: Path, tmp_path: Path) -> None:
    """Offline, a folder that was never fetched ends with the repository's name and exit status 5."""
    with pytest.raises(HubUnreachable, match=REPOSITORY):
        model_files.pull("toy", "bf16", Source(None, True, tmp_path), report, own)


def test_a_hub_that_lists_files_outside_is_refused(hub: Hub, source: Source, report: Report, own: Path) -> None:
    """A name with `..` in what a mirror lists never becomes a path on this disk."""
    hub.files = {"../../../escaped.json": CONFIG}

    with pytest.raises(WrongBytes, match="outside"):
        model_files.pull("toy", "bf16", source, report, own)


def _refuses(*_: object) -> None:
    raise OSError(18, "Invalid cross-device link")


def _decay(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"rot")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
