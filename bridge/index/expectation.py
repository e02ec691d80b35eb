"""The index that clients are expected to ask for: anyone who would be answered in another one is refused."""

import logging
import re
from pathlib import Path
from typing import Annotated

import msgspec

from embedstack.bridge.errors import IndexMismatch, NotKept
from embedstack.bridge.index import fingerprint as index
from embedstack.bridge.index.fingerprint import Fingerprint
from embedstack.bridge.request import EmbedRequest
from embedstack.contract.answers import IndexFacts
from embedstack.host import files
from embedstack.readers import json_file

log = logging.getLogger(__name__)

FILE = "index.json"
FINGERPRINT = re.compile("[0-9a-f]{16}")
_LOST = "no index is expected until one is set again: `embedstack up` does, and `PUT /v1/index`"


class Expected(msgspec.Struct, frozen=True):
    """`model`: the name under which clients ask. `made`: what the index was made with, in words. "" where not known."""

    fingerprint: Annotated[str, msgspec.Meta(pattern=rf"\A{FINGERPRINT.pattern}\Z")]
    model: str = ""
    made: str = ""


class Expectation:
    """`configured` (index.fingerprint) comes before what is kept in `folder`; `folder` None keeps nothing beyond this
    process. `sizes` are the dimensions that the model can have, `document_prefix` stands before its documents.
    """

    def __init__(self, folder: Path | None, configured: str | None, *, sizes: range, document_prefix: str) -> None:
        self._path = None if folder is None else folder / FILE
        self._sizes = sizes
        self._document_prefix = document_prefix
        self.configured = configured is not None
        self.expected = Expected(configured) if configured else self._kept()
        self._served: Fingerprint | None = None
        self._ids: dict[int, str] = {}
        self._logged = ("", "")
        if self.expected:
            log.info("an index is expected, %s: who would be answered in another one is refused", self._described())

    def check(self, request: EmbedRequest, dimensions: int, served: Fingerprint) -> None:
        """IndexMismatch where the answer would be of another index than the client's own header, or the expectation,
        says. Who asks for dimensions in the request itself knows what it wants of us: that is not Open WebUI.
        """
        if request.index is not None and request.index != self._id(served, dimensions):
            raise self._mismatch(Expected(request.index), request.model, dimensions, served)
        expected = self.expected
        if expected is None or request.dimensions is not None:
            return
        if expected.fingerprint != self._id(served, dimensions):
            raise self._mismatch(expected, request.model, dimensions, served)

    def expect(self, fingerprint: str | None, model: str, served: Fingerprint | None) -> bool:
        """Expect this index from now on, or none. Whether it is kept for the next start too: not without a folder.
        NotKept, and nothing has changed, where the folder does not take it.
        """
        made = self._made(fingerprint, served) if fingerprint and served else ""
        expected = Expected(fingerprint, model, made) if fingerprint else None
        kept = self._keep(expected)
        self.expected = expected
        log.info("an index is expected, %s" if fingerprint else "no index is expected any more%s", self._described())
        return kept

    def facts(self, served: Fingerprint, dimensions: int) -> IndexFacts:
        return index.facts(served, dimensions, self._document_prefix)

    def _id(self, served: Fingerprint, dimensions: int) -> str:
        """Computed once for each size that is asked for."""
        if served is not self._served:
            self._served, self._ids = served, {}
        known = self._ids.get(dimensions)
        if known is None:
            known = self._ids[dimensions] = index.index_id(served.id, dimensions, self._document_prefix)
        return known

    def _made(self, fingerprint: str, served: Fingerprint) -> str:
        size = index.dimensions_by_id(served.id, self._sizes, self._document_prefix).get(fingerprint)
        return index.described(served, size) if size else ""

    def _mismatch(self, expected: Expected, asked: str, dimensions: int, served: Fingerprint) -> IndexMismatch:
        answered = self._id(served, dimensions)
        made = expected.made or self._made(expected.fingerprint, served) or "other weights, dimensions or prompts"
        back = f"set the model's name back to {expected.model}" if expected.model else "set the model's name back"
        error = IndexMismatch(
            f"The index was made with {made} (index {expected.fingerprint}); {asked[:100]!r} would be answered with "
            f"{index.described(served, dimensions)} (index {answered}), and nothing would be found.",
            f"Either {back}, or make the index again: `embedstack webui reindex`.",
        )
        if self._logged != (expected.fingerprint, answered):  # once, and not for each chunk of a document
            self._logged = (expected.fingerprint, answered)
            log.warning("%s", error)  # Open WebUI shows the body of an error on one of its two engines alone
        return error

    def _described(self) -> str:
        if self.expected is None:
            return ""
        return f"{self.expected.fingerprint} ({self.expected.made or self.expected.model or 'made elsewhere'})"

    def _kept(self) -> Expected | None:
        if self._path is None:
            return None
        try:
            return json_file.read_again(self._path, Expected, _LOST)
        except OSError as error:
            log.warning("%s cannot be read (%s); %s", self._path, error.strerror, _LOST)
            return None

    def _keep(self, expected: Expected | None) -> bool:
        if self._path is None:
            return False
        try:
            if expected is None:
                self._path.unlink(missing_ok=True)
            else:
                files.write(self._path, msgspec.json.encode(expected))
        except OSError as error:
            log.warning("the expected index cannot be kept for the next start, and stays what it was: %s", error)
            raise NotKept(
                f"The expected index cannot be written to {self._path} ({error.strerror}); it is what it was before.",
                "Free its disk or correct cache.folder, and send it again; with `cache.disk: 0` it is kept in memory.",
            ) from error
        return True
