"""`embed-bridge`. Exit codes: 0 ended, 1 failed, 2 wrong configuration, 3 cannot listen on the address."""

import sys
from collections.abc import Sequence

from embedstack.bridge.listen import signals


def main(argv: Sequence[str] | None = None) -> int:
    signals.hold()
    from embedstack.bridge.listen.serve import run  # takes a second, and a signal may arrive meanwhile

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
