"""A bridge of this version on the data that an earlier one has left."""

import tarfile
from pathlib import Path

import requests

from tests.bridge_process import bridge
from tests.paths import ROOT

# Written by 0.1 at commit c82c2b7 (`embed-bridge --demo`), which normalised texts with Python's tables: the vector of
# one query, and the expectation of an index of 256 dimensions.
DATA = ROOT / "tests" / "reference" / "data_folder.tar.xz"
FINGERPRINT, INDEX = "547b04112edc6dd8", "f3ec08fcb120be23"
TEXT = "Cafe\u0301 \u07ca\u07eb\u07f2 annual leave"


def test_nobody_is_locked_out(tmp_path: Path) -> None:
    """The same fingerprint, the same index, still expected and still answered, and a hit: no 409, no reindex."""
    with tarfile.open(DATA) as archive:
        archive.extractall(tmp_path, filter="data")
    own = ("--demo", "--set", "engine.threads=1", "--set", f"cache.folder={tmp_path / 'data'}")
    with bridge(*own, "--set", "cache.disk=64 MiB") as running:
        index = requests.get(f"{running.url}/v1/index?model=demo@256", timeout=30).json()
        assert (index["fingerprint"], index["expected"], index["served"]) == (INDEX, INDEX, FINGERPRINT)

        answer = running.post("/api/embed", {"model": "demo@256", "input": TEXT, "input_type": "query"})
        assert (answer.status_code, answer.headers["X-Embed-Cache"]) == (200, "hit"), answer.text
        assert answer.headers["X-Embed-Fingerprint"] == FINGERPRINT
        assert running.post("/api/embed", {"model": "demo", "input": TEXT}).status_code == 409
