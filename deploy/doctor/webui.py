"""Open WebUI's embedding settings, which it keeps in its database after the first start. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from embedstack.deploy.doctor.finding import Finding
from embedstack.deploy.webui import version as versions
from embedstack.deploy.webui.wanted import differences


def check(is_set: Mapping[str, Any], should_be: Mapping[str, Any], *, other_model: bool = False) -> Iterator[Finding]:
    """Both as GET /api/v1/retrieval/embedding has them. No key is told. `other_model`: what runs is another
    one than is asked for.
    """
    if found := differences(is_set, should_be):
        yield Finding(
            "WEBUI-DIFFERS",
            "warning",
            "Open WebUI embeds with other settings than the stack's",
            "; ".join(map(str, found)) + ".",
            "Its documents may be embedded by another model than its questions, or by none.",
            "`embedstack webui status` shows where each came from; "
            + ("`embedstack up` changes model and settings." if other_model else "`embedstack webui apply` sets them."),
        )


def check_version(version: str | None) -> Iterator[Finding]:
    """`version`: of the one that runs, else of the one that is to; None where nobody tells."""
    if version is not None and not versions.known(version):
        evidence, impact, step = versions.doubt(version)
        yield Finding("WEBUI-UNKNOWN", "warning", "This version of Open WebUI is not known", evidence, impact, step)
