"""`python -m embedstack.deploy.native --root FOLDER [--detach]`: the supervisor of the stack in FOLDER.

Exit status 0: it was asked to end (or, detached, has been left running); 75: another one has this stack.
"""

import argparse
import logging
import sys
from pathlib import Path

from embedstack.deploy.native import logs, supervisor
from embedstack.deploy.places import Places
from embedstack.host import processes

TAKEN = 75  # EX_TEMPFAIL


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m embedstack.deploy.native", description="The supervisor of a native stack."
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of the stack")
    parser.add_argument("--detach", action="store_true", help="run on in the background")
    given = parser.parse_args()
    places = Places(given.root).create()
    if given.detach and not supervisor.detach(logs.own(places.logs)):
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    processes.raise_limit()
    try:
        supervisor.run(places)
    except supervisor.AlreadyRunning:
        return TAKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
