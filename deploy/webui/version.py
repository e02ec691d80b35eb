"""Which versions of Open WebUI are known. Pure."""

import re

from embedstack.deploy.errors import WebuiUnsupported

KNOWN = "0.12"


def known(version: str) -> bool:
    """Whether its API and its database are as they were read and run for this version: 0.12.4, and so all of 0.12."""
    return re.match(rf"{re.escape(KNOWN)}(\.|$)", version) is not None


def doubt(version: str) -> tuple[str, str, str]:
    """What is to be said of one that is not known: what it is, what comes of it, what to do."""
    return (
        f"It is {version}; known is {KNOWN}.",
        "What it is asked for may be called something else there: its settings may not be put right, or set back what "
        "is left out.",
        f"Take {KNOWN}.4 (webui.version, images.webui), or look at `embedstack webui status` once it runs; what writes "
        "there wants --any-version.",
    )


def require(version: str, url: str, *, any_version: bool) -> None:
    """WebuiUnsupported for one that is not known, unless any will do."""
    if not any_version and not known(version):
        raise WebuiUnsupported(
            f"Open WebUI at {url} is version {version}; known is {KNOWN}. What it is asked for may be called something "
            "else there, and what is left out may be set back. Nothing was changed.",
            f"Bring it to {KNOWN}.4, or do it by hand: `embedstack webui status` shows what its settings should be. "
            "--any-version tries it, and looks afterwards whether everything is as it should be.",
        )
