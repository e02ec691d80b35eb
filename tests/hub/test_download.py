"""Downloads that are cut, resumed, refused and verified, by the real library from a Hub of the tests' own."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
from collections import deque
from pathlib import Path

import msgspec
import pytest
from huggingface_hub import hf_hub_download

from embedstack.deploy.console import Report
from embedstack.deploy.errors import HubUnreachable, WrongBytes
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.fetch import fetch
from embedstack.deploy.hub.patience import HubPatience
from embedstack.deploy.hub.source import Source, wanted
from tests.hub.conftest import NAME, entry
from tests.hub.content import Content
from tests.hub.server import REPOSITORY, REVISION, Hub

CHUNK = 2**16  # the most that httpx2 reads from a socket at once


def _again(ranges: list[tuple[int, int]]) -> list[int]:
    """Bytes that each request sent for another time."""
    return [max(before[1] - after[0], 0) for before, after in itertools.pairwise(ranges)]


def test_a_file_comes_whole_and_is_not_asked_for_again(
    content: Content, hub: Hub, source: Source, report: Report
) -> None:
    """What is fetched is the file of the catalogue, once; the next call finds it without a request."""
    first = fetch(entry(content), source, report)
    asked = len(hub.asked)
    second = fetch(entry(content), source, report)

    assert content.whole() == first.path.read_bytes()
    assert (content.sha256, content.size, False) == (first.sha256, first.bytes, first.already)
    assert (first.path, True) == (second.path, second.already)
    assert asked == len(hub.asked)


@pytest.mark.parametrize("seed", range(3))
def test_ten_cuts_cost_no_byte_twice(
    seed: int, content: Content, hub: Hub, source: Source, report: Report, wait: HubPatience
) -> None:
    """Cut at ten places, the file is byte-identical, and nothing before the last chunk was sent again."""
    places = random.Random(seed).sample(range(content.size), 10)  # noqa: S311 -- to be the same every time
    hub.cuts = deque(sorted(places))

    got = fetch(entry(content), source, report, wait)

    assert content.sha256 == hashlib.sha256(got.path.read_bytes()).hexdigest()
    assert sorted(places) == [end for _, end in hub.served[:-1]]
    assert max(_again(hub.served)) <= CHUNK
    assert sum(end - begin for begin, end in hub.served) <= content.size + 10 * CHUNK


def test_resets_lose_no_more_than_what_was_on_its_way(
    content: Content, hub: Hub, source: Source, report: Report, wait: HubPatience
) -> None:
    """A server that is killed ten times: the file is byte-identical, and comes from where it had stopped."""
    hub.cuts, hub.reset = deque(range(200_000, 2_200_000, 200_000)), True

    got = fetch(entry(content), source, report, wait)

    assert content.sha256 == hashlib.sha256(got.path.read_bytes()).hexdigest()
    assert not hub.cuts


def test_a_process_that_was_killed_is_gone_on_from(
    content: Content, hub: Hub, source: Source, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an earlier process left stays, and only the rest is asked for."""
    partial = slot(source.folder, wanted(entry(content))).partial
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content.whole()[:1_234_567])

    got = fetch(entry(content), source, report)

    assert [(1_234_567, content.size)] == hub.served
    assert content.whole() == got.path.read_bytes()
    assert "goes on at 1.2 of 3.0 MB" in capsys.readouterr().err


def test_one_flipped_byte_is_refused_and_removed(content: Content, hub: Hub, source: Source, report: Report) -> None:
    """Bytes of the right number with one wrong among them: refused, and nothing of them is left in the cache."""
    hub.files[NAME] = Content(content.size, content.seed, flipped=2_000_000)

    with pytest.raises(WrongBytes) as refused:
        fetch(entry(content), source, report)

    assert content.sha256 in refused.value.message
    assert "endpoint" in refused.value.advice
    assert _large(source.folder) == []


def test_a_wrong_file_in_the_cache_is_replaced(
    content: Content, hub: Hub, source: Source, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cached file with a flipped byte, which the library itself would use, is removed and fetched again."""
    place = slot(source.folder, wanted(entry(content)))
    place.create()
    place.partial.write_bytes(Content(content.size, content.seed, flipped=7).whole())
    place.place()

    got = fetch(entry(content), source, report)

    assert content.whole() == got.path.read_bytes()
    assert [(0, content.size)] == hub.served
    assert "It was removed" in capsys.readouterr().err


def test_a_file_that_was_changed_after_it_was_verified_is_found_out(
    content: Content, source: Source, report: Report
) -> None:
    """What was verified once is not read again, unless it is no longer the same file."""
    path = fetch(entry(content), source, report).path
    with path.open("r+b") as file:
        file.write(b"other")
    # A kernel's clock of files may stand still for ten milliseconds.
    changed = path.stat().st_mtime_ns + 10_000_000
    os.utime(path, ns=(changed, changed))

    again = fetch(entry(content), source, report)

    assert not again.already
    assert content.whole() == again.path.read_bytes()


def test_the_cache_is_the_librarys_own(content: Content, source: Source, report: Report) -> None:
    """huggingface_hub finds what was fetched here, without a network."""
    got = fetch(entry(content), source, report)

    found = hf_hub_download(REPOSITORY, NAME, revision=REVISION, cache_dir=source.folder, local_files_only=True)

    assert str(got.path) == found


def test_what_the_library_has_fetched_is_used(content: Content, hub: Hub, source: Source, report: Report) -> None:
    """A file that another program has put into the Hub's cache is verified and taken, and not fetched."""
    path = hf_hub_download(REPOSITORY, NAME, revision=REVISION, cache_dir=source.folder, endpoint=hub.url, token=False)
    hub.asked.clear()

    got = fetch(entry(content), source, report)

    assert (path, True, []) == (str(got.path), got.already, hub.asked)


def test_a_mirror_without_ranges_and_headers_will_do(
    content: Content, hub: Hub, source: Source, report: Report, wait: HubPatience
) -> None:
    """A mirror that knows no ranges and tells no digest costs a second download after a cut, and no wrong byte."""
    hub.bare, hub.cuts = True, deque([1_000_000])

    got = fetch(entry(content), source, report, wait)

    assert [(0, 1_000_000), (0, content.size)] == hub.served
    assert content.whole() == got.path.read_bytes()


def test_a_mirror_with_another_file_is_refused_before_the_first_byte(
    content: Content, hub: Hub, source: Source, report: Report
) -> None:
    """Another digest in the answer to the question ends it: nothing is fetched."""
    hub.files[NAME] = Content(content.size, seed=9)

    with pytest.raises(WrongBytes, match="offers another Toy"):
        fetch(entry(content), source, report)

    assert hub.served == []


def test_the_token_stays_with_the_hub(
    content: Content, hub: Hub, source: Source, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_TOKEN goes to the Hub that was named and not to the CDN that it redirects to."""
    hub.token = "hf_secret"  # noqa: S105 -- of this test's own Hub
    monkeypatch.setenv("HF_TOKEN", hub.token)

    fetch(entry(content), source, report)

    assert {"Bearer hf_secret"} == {asked.authorization for asked in hub.asked if REPOSITORY in asked.path}
    assert [asked.authorization for asked in hub.asked if REPOSITORY not in asked.path] == [None]


def test_nothing_but_the_hub_that_was_named_is_asked(
    content: Content, hub: Hub, source: Source, report: Report
) -> None:
    """The library's own questions on the side (who calls) are off: three requests make a download."""
    fetch(entry(content), source, report)

    assert [asked.method for asked in hub.asked] == ["HEAD", "GET", "GET"]


def test_a_line_that_stays_dead_ends_it_and_keeps_what_came(
    content: Content, hub: Hub, source: Source, report: Report, wait: HubPatience, waits: list[float]
) -> None:
    """Cuts at one and the same place end it after six attempts; the bytes so far stay for the next call."""
    hub.cuts = deque([1_000_000] * 7)

    with pytest.raises(HubUnreachable):
        fetch(entry(content), source, report, wait)

    assert slot(source.folder, wanted(entry(content))).so_far() == 1_000_000
    assert waits[:6] == [1, 1, 2, 4, 8, 8] or waits == [1, 2, 4, 8, 8]


def test_the_same_file_of_another_commit_is_taken(content: Content, hub: Hub, source: Source, report: Report) -> None:
    """A file that did not change from one revision to the next is not fetched again."""
    fetch(entry(content), source, report)
    hub.asked.clear()

    moved = fetch(msgspec.structs.replace(entry(content), revision="1" * 40), source, report)

    assert (moved.already, hub.asked, moved.path.parent.name) == (True, [], "1" * 40)


def test_what_is_remembered_is_the_users_alone(content: Content, source: Source, report: Report, home: Path) -> None:
    """The file of digests is 0600, and one that cannot be read costs another look at the file, no more."""
    fetch(entry(content), source, report)
    state = home / "verified.json"
    assert state.stat().st_mode & 0o777 == 0o600

    state.write_bytes(b"{broken")

    assert fetch(entry(content), source, report).already
    assert content.sha256 in state.read_text()


def test_a_disk_without_symbolic_links_will_do(
    content: Content, source: Source, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no symbolic links can be made, as on exFAT, the file itself stands in the snapshot."""

    def refuses(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuses)

    got = fetch(entry(content), source, report)

    assert not got.path.is_symlink()
    assert content.whole() == got.path.read_bytes()
    assert fetch(entry(content), source, report).already


def _large(folder: Path) -> list[Path]:
    """Whatever lies there that is larger than a lock or a note."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 2**16]
