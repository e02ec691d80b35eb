"""The tests, as a package: helpers are imported from it by name."""

import os

# The NumPy references share two cores with the engines under test; OpenBLAS's spinning threads slow both several times.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Hundreds of processes are started: what they import is compiled once, whatever the person who runs the tests has set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
