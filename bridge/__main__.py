"""`embed-bridge`. Exit codes: 0 ended, 1 failed, 2 configuration, 3 the address cannot be listened on."""

import sys
from collections.abc import Sequence

from embedstack.bridge.listen import signals


def main(argv: Sequence[str] | None = None) -> int:
    signals.hold()
    from embedstack.bridge.listen.serve import run  # takes a second, in which a signal may come

    return run(argv)


if __name__ == "__main__":
    sys.exit(main())
