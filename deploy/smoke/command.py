"""`embedstack smoke`: is what answers at a URL right, and how fast is it?"""

from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.smoke import run
from embedstack.deploy.smoke.junit import junit
from embedstack.deploy.smoke.result import Smoke
from embedstack.deploy.smoke.throughput import LENGTHS


def smoke(
    url: str,
    model: str,
    key: str | None,
    report: Report,
    file: Path | None,
    own: Path | None = None,
    *,
    throughput: bool = False,
) -> Smoke:
    """Every check of what answers at `url`, which serves a model of the catalogue, or of one's `own`; the JUnit report
    goes into `file`. InvalidModel, BridgeRefused.
    """
    found = run.run(url, model, key, report, own=own, lengths=LENGTHS if throughput else ())
    if file is not None:
        write_junit(found, file)
    return found


def write_junit(smoke: Smoke, file: Path) -> None:
    """FolderNotUsable."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(junit(smoke), encoding="utf-8")
    except OSError as error:
        raise FolderNotUsable(f"{file} cannot be written: {error.strerror}.", "Name another with --junit.") from error
