"""The workflows as GitHub would read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engines.locate import locate
from tests.paths import ROOT

pytestmark = pytest.mark.needs("actionlint")

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def lint(*files: Path) -> subprocess.CompletedProcess[str]:
    """Without shellcheck and pyflakes, which it would take from wherever this machine has them."""
    actionlint = locate("actionlint")
    assert actionlint is not None
    config = ("-config-file", str(ROOT / ".github" / "actionlint.yaml"))
    command = [str(actionlint.program("actionlint")), "-no-color", "-shellcheck=", "-pyflakes=", *config]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=60, check=False)


def test_actionlint_passes_every_workflow() -> None:
    """Keys, expressions, events, labels of runners."""
    assert len(WORKFLOWS) >= 2
    done = lint(*WORKFLOWS)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("right", "wrong", "reported"),
    [
        (
            "runs-on: [self-hosted, linux, x64, gpu]",
            "runs-on: [self-hosted, linux, x64, tpu]",
            'label "tpu" is unknown',
        ),
        ("inputs.model", "inputs.modell", "modell"),
        ("if: always()", "if: allways()", "allways"),
        ('cron: "17 3 * * *"', 'cron: "17 3 * * 9"', "cron"),
    ],
)
def test_a_mistake_would_be_seen(right: str, wrong: str, reported: str, tmp_path: Path) -> None:
    """One that GitHub would only find at night, or never."""
    text = (ROOT / ".github" / "workflows" / "gpu-smoke.yml").read_text()
    assert right in text
    mistaken = tmp_path / "mistaken.yml"
    mistaken.write_text(text.replace(right, wrong))
    done = lint(mistaken)

    assert done.returncode == 1
    assert reported in done.stdout.lower()
