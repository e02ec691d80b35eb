"""Open WebUI's index against what it would be asked through. Pure."""

from collections.abc import Iterator

from embedstack.deploy.bridge_api import IndexFacts
from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.webui.index import guard
from embedstack.deploy.webui.index.guard import Indexed
from embedstack.deploy.webui.index.record import IndexRecord


def check(record: IndexRecord | None, now: IndexFacts, indexed: Indexed, store: str) -> Iterator[Finding]:
    """`now`: what the stack would have Open WebUI ask for; `store`: where it would look."""
    judged = guard.judge(record, now, indexed, store=store)
    if judged.verdict == "breaks":
        yield Finding(
            "INDEX-MISMATCH",
            "blocker",
            "Open WebUI's index was made with something else than it would be asked through",
            f"{'; '.join(judged.changes)}. It has {indexed}.",
            "Questions would find nothing, or the wrong paragraphs, and Open WebUI would not say so; the bridge "
            "refuses them.",
            "Set back what was changed, or `embedstack up --reindex`, which embeds everything anew.",
        )
    if judged.verdict == "unfinished":
        yield Finding(
            "INDEX-UNFINISHED",
            "warning",
            "A reindex of Open WebUI did not end, or not for every file",
            f"It has {indexed}.",
            "Files that it left out are not found, and Open WebUI does not say so.",
            "`embedstack webui reindex` goes through all of it again, and names what fails.",
        )
