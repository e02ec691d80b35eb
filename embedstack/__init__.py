"""Embedstack: the right vectors of Qwen3-Embedding, on the engines that people have.

`bridge` is the service, `deploy` the toolkit; what both stand on lies beside them, and neither imports the other. Their
sources are the repository's folders of the same names, to which links lead from here: an editable install, mypy, pytest
and the wheel all follow them.
"""

from importlib.metadata import version

__version__ = version("embedstack")
