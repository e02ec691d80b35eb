"""Whether Open WebUI ever says which texts are questions; where it never does, once, how to set it."""

import logging

log = logging.getLogger(__name__)

# Texts without a role after which it is no accident: one short document, or a person's questions of a day.
ENOUGH = 50

HOW = (
    "Give Open WebUI's process RAG_EMBEDDING_PREFIX_FIELD_NAME=input_type, RAG_EMBEDDING_QUERY_PREFIX=query and "
    "RAG_EMBEDDING_CONTENT_PREFIX=document, and start it anew (docs/open-webui.md)."
)
_ORIGINS = {"body": "field", "header": "header", "model": "alias"}


def origin(source: str) -> str:
    """`field`, `header`, `alias` or `default`, of what `Prompt.source` says."""
    return _ORIGINS.get(source.partition(" ")[0], "default")


class RoleWatch:
    """Counts the texts of Open WebUI until one comes with a role, or enough have come without."""

    def __init__(self) -> None:
        self._without = 0
        self._settled = False

    def saw(self, texts: int, origin: str) -> None:
        if self._settled:
            return
        if origin != "default":
            self._settled = True
            return
        self._without += texts
        if self._without >= ENOUGH:
            self._settled = True
            log.warning(
                "Open WebUI has sent %d texts and never said which are questions: those get no instruction, and find "
                "less. %s",
                self._without,
                HOW,
            )
