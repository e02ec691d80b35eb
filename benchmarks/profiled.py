"""`python -m benchmarks.profiled FILE ARGUMENT ...`: embed-bridge under cProfile, written to FILE at its end."""

import cProfile
import sys

from embedstack.bridge.__main__ import main

if __name__ == "__main__":
    profile = cProfile.Profile()
    status = profile.runcall(main, sys.argv[2:])
    profile.dump_stats(sys.argv[1])
    sys.exit(status)
