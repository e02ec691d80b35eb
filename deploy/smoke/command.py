"""`embedstack smoke`: is what answers at a URL right, and how fast is it?

A smoke test as JUnit XML, as CI systems show it. Pure.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from embedstack.deploy.console import Report
from embedstack.deploy.errors import FolderNotUsable
from embedstack.deploy.smoke import run
from embedstack.deploy.smoke.pace import LENGTHS
from embedstack.deploy.smoke.result import Smoke
from embedstack.deploy.smoke.run import SmokeTarget

# What XML 1.0 cannot hold, however it is escaped; a broken server may say anything.
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(smoke: Smoke) -> str:
    """One test case a check; what is not offered is skipped, what was measured is a property."""
    suite = ET.Element(
        "testsuite",
        name=f"embedstack smoke {_plain(smoke.model)}",
        tests=str(len(smoke.checks)),
        failures=str(len(smoke.failed)),
        skipped=str(sum(check.passed is None for check in smoke.checks)),
        time=f"{sum(check.seconds for check in smoke.checks):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("url", "latency_ms", "texts_per_second"):
        ET.SubElement(properties, "property", name=name, value=_plain(getattr(smoke, name)))
    for measured in smoke.throughput:
        per_second = f"{measured.tokens_per_second:.1f}"
        ET.SubElement(properties, "property", name=f"tokens_per_second_at_{measured.length}", value=per_second)
    for check in smoke.checks:
        case = ET.SubElement(
            suite, "testcase", classname="embedstack.smoke", name=check.name, time=f"{check.seconds:.3f}"
        )
        if check.passed is None:
            ET.SubElement(case, "skipped", message=_plain(check.value))
        elif not check.passed:
            told = f"{check.value}; must be: {check.must}"
            ET.SubElement(case, "failure", message=_plain(told)).text = _plain(told)
        else:
            ET.SubElement(case, "system-out").text = _plain(check.value)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=False) + "\n"


def _plain(value: object) -> str:
    return _NOT_IN_XML.sub("�", str(value))


def smoke(target: SmokeTarget, report: Report, file: Path | None, *, throughput: bool = False) -> Smoke:
    """Every check; the JUnit report goes into `file`. InvalidModel, BridgeRefused."""
    found = run.run(target, report, lengths=LENGTHS if throughput else ())
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
