"""How Hypothesis searches: the same examples on every run, and no time limit that a busy machine would break."""

from hypothesis import settings

settings.register_profile("embedstack", deadline=None, derandomize=True, database=None)
settings.load_profile("embedstack")
