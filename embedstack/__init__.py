"""Embedstack: the right vectors of Qwen3-Embedding, on the engines that people have.

`bridge` is the service and `deploy` the toolkit. Neither imports the other; the code that both use lies beside them.
Links lead from here to the repository's folders of the same names. An editable install, mypy, pytest and the wheel all
follow them.
"""

from importlib.metadata import version

__version__ = version("embedstack")
