"""Downloads in a process of their own: killed in the middle, and measured."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.hub.cache import slot
from embedstack.deploy.hub.fetch import fetch
from embedstack.deploy.hub.source import Source, wanted
from tests.hub.conftest import NAME, entry
from tests.hub.content import Content
from tests.hub.server import Hub, running
from tests.paths import ROOT

# What a process that downloads does; it ends with its own peak of resident memory, in kB.
SCRIPT = """
import json, re, sys
from pathlib import Path
import msgspec
from embedstack.deploy.console import Report
from embedstack.deploy.hub.fetch import fetch
from embedstack.deploy.hub.source import Source
from embedstack.models.model import ModelFile

file = msgspec.json.decode(sys.argv[1], type=ModelFile)
got = fetch(file, Source(sys.argv[2], False, Path(sys.argv[3])), Report("model pull", as_json=False))
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(json.dumps({"path": str(got.path), "peak_kb": int(peak[1])}))
"""
WHOLE = "import embedstack.deploy.cli.app\n" + SCRIPT  # with whatever the command has in memory besides
MOST = 100e6  # bytes resident: the bound
LARGE = 400_000_000


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_is_killed_is_gone_on_from(
    ending: signal.Signals, content: Content, report: Report, tmp_path: Path
) -> None:
    """kill -9 or Ctrl-C in the middle: the next call asks for the rest alone, and the file is byte-identical."""
    cache = tmp_path / "cache"
    partial = slot(cache, wanted(entry(content))).partial
    with running(Hub({NAME: content}, stall=1_500_000)) as hub:
        with _child(content, hub.url, cache) as child:
            _until(lambda: partial.exists() and partial.stat().st_size == 1_500_000)
            child.send_signal(ending)
            child.communicate()
        hub.stall = None
        got = fetch(entry(content), Source(hub.url, False, cache), report)

        assert [(0, 1_500_000), (1_500_000, content.size)] == hub.served
    assert content.whole() == got.path.read_bytes()


def test_two_processes_fetch_one_file_once(content: Content, tmp_path: Path) -> None:
    """The second waits for the first, and finds the file: every byte is sent once."""
    with running(Hub({NAME: content})) as hub:
        with _child(content, hub.url, tmp_path / "c") as one, _child(content, hub.url, tmp_path / "c") as two:
            answer = {json.loads(child.communicate(timeout=60)[0])["path"] for child in (one, two)}

        assert [(0, content.size)] == hub.served
    assert len(answer) == 1


@pytest.mark.thorough
@pytest.mark.timeout(180)
def test_a_large_file_takes_little_memory(tmp_path: Path, report: Report) -> None:
    """400 MB, cut three times: less than 100 MB are ever resident, verifying included."""
    large = Content(LARGE, seed=7)
    most = 0
    with running(Hub({NAME: large})) as hub:
        hub.cuts.extend((100_000_001, 200_000_003, 300_000_007))
        with _child(large, hub.url, tmp_path / "cache", WHOLE) as child:
            process = psutil.Process(child.pid)
            while child.poll() is None:
                most = max(most, _resident(process))
                time.sleep(0.02)
            answer = json.loads(child.communicate()[0])

        assert large.size == sum(end - begin for begin, end in hub.served)
    print(f"download of {LARGE / 1e6:.0f} MB: {answer['peak_kb'] / 1e3:.0f} MB resident at most")
    assert 0 < most < MOST
    assert answer["peak_kb"] * 1024 < MOST
    assert large.sha256 == _sha256(Path(answer["path"]))
    assert fetch(entry(large), Source(None, True, tmp_path / "cache"), report).already


def _child(content: Content, url: str, cache: Path, script: str = SCRIPT) -> subprocess.Popen[str]:
    arguments = (msgspec.json.encode(entry(content)).decode(), url, str(cache))
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _until(there: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)
