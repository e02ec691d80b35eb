"""A Hub that refuses, fails or is not there, or a full disk: what a person reads, and the exit status."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import (
    DeployError,
    FolderNotUsable,
    HubRefused,
    HubUnreachable,
    InvalidModel,
    NotEnoughSpace,
)
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.fetch import fetch
from embedstack.deploy.hub.patience import HubPatience, retry_after
from embedstack.deploy.hub.source import Source, token, wanted
from embedstack.deploy.hub.source import source as source_of
from embedstack.deploy.settings import HubSettings
from embedstack.models.model import ModelFile
from tests.engines.process import free_port
from tests.hub.conftest import NAME, entry
from tests.hub.content import Content
from tests.hub.server import REPOSITORY, REVISION, Hub

Refused = Callable[[], DeployError]


@pytest.fixture
def refused(content: Content, source: Source, report: Report, wait: HubPatience) -> Refused:
    """What a fetch ends with."""

    def ended() -> DeployError:
        with pytest.raises(DeployError) as error:
            fetch(entry(content), source, report, wait)
        return error.value

    return ended


def test_a_hub_that_is_not_there_leaves_four_ways_on(
    content: Content, report: Report, wait: HubPatience, waits: list[float], tmp_path: Path
) -> None:
    """On one screen: what could not be reached, what it was for, and a mirror, an import, the demo; exit status 5."""
    nowhere = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(HubUnreachable) as error:
        fetch(entry(content), Source(nowhere, False, tmp_path), report, wait)

    text = f"{error.value.message}\n{error.value.advice}"
    assert waits == [1]  # reported after a second
    assert error.value.exit_code == 5
    assert len(text.splitlines()) < 15
    named = (nowhere, "refused", NAME, content.sha256, "--endpoint", "HF_ENDPOINT", "model import", "make demo")
    assert [name for name in named if name not in text] == []


def test_offline_without_the_file_asks_nobody(content: Content, hub: Hub, source: Source, report: Report) -> None:
    """With offline set and no file, the message says so; no request is made."""
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE") as error:
        fetch(entry(content), Source(hub.url, True, source.cache), report)

    assert "model import" in error.value.advice
    assert hub.asked == []


def test_offline_with_the_file_it_is_taken(content: Content, hub: Hub, source: Source, report: Report) -> None:
    """With offline set, a file that was fetched before is found."""
    got = fetch(entry(content), source, report)
    hub.asked.clear()

    assert got.path == fetch(entry(content), Source(hub.url, True, source.cache), report).path
    assert hub.asked == []


@pytest.mark.parametrize("proxy", ["nonsense://127.0.0.1:1", "http://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_reported(refused: Refused, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A proxy of no known kind, or one that does not answer, ends it with the ways on and no traceback."""
    monkeypatch.setenv("ALL_PROXY", proxy)

    error = refused()

    assert isinstance(error, HubUnreachable)
    assert "HTTPS_PROXY" in error.advice


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_token(hub: Hub, refused: Refused, status: int) -> None:
    """401 and 403: whether HF_TOKEN was there, which repository it must open, and where one is made."""
    hub.refusals.append((status, {"X_Error_Code": "GatedRepo"}))

    error = refused()

    assert (HubRefused, 5) == (type(error), error.exit_code)
    assert f"answered {status}" in error.message
    assert "HF_TOKEN is not set" in error.message
    assert REPOSITORY in error.advice


def test_a_token_that_is_not_enough_is_not_shown(
    hub: Hub, refused: Refused, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says that the token was sent and not enough; the token is nowhere in it, nor on the screen."""
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    hub.token = "hf_right"  # noqa: S105 -- of this test's own Hub

    error = refused()

    assert "HF_TOKEN is set, and was not enough" in error.message
    assert "hf_wrong" not in f"{error.message}{error.advice}{capsys.readouterr()}"


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"repository": "Qwen/Other"}, "repository"), ({"revision": "0" * 40}, "revision"), ({"files": {}}, "file")],
)
def test_404_says_what_is_missing(hub: Hub, refused: Refused, change: dict[str, object], missing: str) -> None:
    """Repository, revision or file: which of them is not there, and all three as they were asked for."""
    for name, value in change.items():
        setattr(hub, name, value)

    error = refused()

    assert isinstance(error, HubRefused)
    assert f"no such {missing}. Asked for: {NAME} of {REPOSITORY} at {REVISION[:12]}" in error.message


def test_a_hub_that_is_busy_is_waited_for(
    content: Content, hub: Hub, source: Source, report: Report, wait: HubPatience, waits: list[float]
) -> None:
    """429 with Retry-After and its own rate limit's header, then 503: waited as asked, then fetched."""
    hub.refusals = deque([(429, {"Retry_After": "7"}), (429, {"RateLimit": '"resolvers";r=0;t=21'}), (503, {})])

    got = fetch(entry(content), source, report, wait)

    assert content.whole() == got.path.read_bytes()
    assert waits == [7, 21, 4]


def test_a_hub_that_asks_for_an_hour_is_not_waited_for(hub: Hub, refused: Refused, waits: list[float]) -> None:
    """429 with more seconds than anybody sits through: reported at once, with the token that helps."""
    hub.refusals.append((429, {"Retry_After": "3600"}))

    error = refused()

    assert isinstance(error, HubRefused)
    assert "HF_TOKEN" in error.advice
    assert waits == []


def test_a_request_that_the_hub_does_not_understand_is_not_repeated(hub: Hub, refused: Refused) -> None:
    """400, as of a mirror that is none: reported with its status, at once."""
    hub.refusals.append((400, {}))

    assert "answered 400 Bad Request" in refused().message
    assert len(hub.asked) == 1


def test_a_hub_that_stays_broken_is_given_up(hub: Hub, refused: Refused, waits: list[float]) -> None:
    """Six times 502: reported with the status and the ways on, after pauses that grow."""
    hub.refusals = deque([(502, {})] * 6)

    error = refused()

    assert isinstance(error, HubUnreachable)
    assert "502 Bad Gateway" in error.message
    assert "model import" in error.advice
    assert waits == [1, 2, 4, 8, 8]


def test_a_disk_without_room_is_reported_before_the_first_byte(
    hub: Hub, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nearly full disk: how much is free, how much is needed; no request is made."""
    nearly_full = shutil.disk_usage("/")._replace(free=1_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly_full)

    error = refused()

    assert (NotEnoughSpace, 3) == (type(error), error.exit_code)
    assert "1.5 MB free; 3.0 MB are needed" in error.message
    assert "HF_HOME" in error.advice
    assert hub.asked == []


def test_a_disk_that_fills_up_meanwhile_is_reported(content: Content, source: Source, refused: Refused) -> None:
    """The kernel's own ENOSPC, of /dev/full, is the same error and not a traceback."""
    partial = slot(source.folder, wanted(entry(content))).partial
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")

    error = refused()

    assert isinstance(error, NotEnoughSpace)
    assert "is full: No space left on device" in error.message


@pytest.mark.parametrize("where", ["a-file", "/proc/embedstack"])
def test_a_folder_that_cannot_be_written_is_named(
    content: Content, hub: Hub, report: Report, tmp_path: Path, where: str
) -> None:
    """A cache below a file, or where nobody may write: which folder, why, and how to name another; no request."""
    (tmp_path / "a-file").write_text("")
    cache = tmp_path / where / "cache"

    with pytest.raises(FolderNotUsable) as error:
        fetch(entry(content), Source(hub.url, False, cache), report)

    assert error.value.exit_code == 3
    assert str(cache) in error.value.message
    assert "hub.cache" in error.value.advice
    assert hub.asked == []


def test_a_file_whose_digest_nobody_knows_is_not_fetched(hub: Hub, source: Source, report: Report) -> None:
    """A catalogue entry without size or digest is refused with the catalogue's own reason."""
    file = ModelFile(
        quantisation="Q5_0",
        repository=REPOSITORY,
        revision=REVISION,
        file=NAME,
        bytes=None,
        sha256=None,
        reason="not found published",
    )

    with pytest.raises(InvalidModel, match="not found published"):
        fetch(file, source, report)

    assert hub.asked == []


def test_settings_come_before_the_environment() -> None:
    """hub.endpoint, hub.offline and hub.cache win; else the library's own variables count, in its order."""
    environ = {"HF_ENDPOINT": "https://mirror", "HF_HUB_OFFLINE": "1", "HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}

    assert Source("https://mirror", True, Path("/h/hub")) == source_of(HubSettings(), environ)
    assert Source(None, False, Path("/x/huggingface/hub")) == source_of(HubSettings(), {"XDG_CACHE_HOME": "/x"})
    assert Path("/b") == source_of(HubSettings(), {**environ, "HF_HUB_CACHE": "/b"}).cache
    own = HubSettings(endpoint="https://own", cache=Path("/c"))
    assert Source("https://own", True, Path("/c")) == source_of(own, environ)


@pytest.mark.parametrize("environ", [{}, {"XDG_CACHE_HOME": "/x"}, {"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}])
def test_the_default_cache_is_the_librarys(environ: dict[str, str]) -> None:
    """With the same environment, huggingface_hub means the same folder."""
    environ = {"HOME": "/home/someone", **environ}
    script = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    output = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)

    assert output.stdout.strip() == str(source_of(HubSettings(), environ).cache).replace("~", "/home/someone")


def test_no_token_of_another_tool_is_sent() -> None:
    """Without HF_TOKEN the library is asked to send none, whatever lies in its folder."""
    assert False is token({})
    assert token({"HF_TOKEN": " hf_x\n"}) == "hf_x"


@pytest.mark.parametrize(
    ("header", "seconds"), [("12", 12.0), (None, None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    """Both forms of the header are read; anything else counts as none."""
    assert seconds == retry_after(header)
