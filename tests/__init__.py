"""The tests, as a package: helpers are imported from it by name."""

import os

# The NumPy references share two cores with the engines under test; OpenBLAS's spinning threads slow both several times.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
