"""How tests are spread over processes: each file in one of them, all tests of containers in one, the longest first."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/docker/",)
"""What takes the same things of the machine: a Docker daemon, and the images that it has built."""
FIRST = (
    *TOGETHER,
    "tests/unit/benchmarks/",
    "tests/integration/test_parity.py",
    "tests/integration/test_random_weights.py",
    "tests/integration/stack/",
    "tests/integration/native/",
    "tests/integration/test_lanes.py",
)
"""What takes longest, in this order, so that no process has minutes of work when the others have none left."""


def rank(path: str) -> int:
    """The place of a test in line, by its path or its node id; equal ones keep their order."""
    return next((place for place, start in enumerate(FIRST) if path.startswith(start)), len(FIRST))


class FilesTogether(LoadFileScheduling):
    """`--dist loadfile`, with the folders of TOGETHER as one file each."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))
