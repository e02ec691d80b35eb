"""The commands of the GPU runner's workflow, typed here with the demo model: none of them is first seen at night."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET

import yaml

from tests.paths import ROOT
from tests.stack_command import StackCommand

WORKFLOW = ROOT / ".github" / "workflows" / "gpu-smoke.yml"
JOB = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["smoke"]


def commands() -> list[list[str]]:
    """The words of every `embedstack …` of it, up to a pipe or a redirection."""
    scripts = "\n".join(step["run"] for step in JOB["steps"] if "run" in step)
    found = re.findall(r"\.venv/bin/embedstack ([^|>\n]*)", scripts)
    return [shlex.split(line.replace("$MODEL", "demo")) for line in found]


def test_its_commands_do_their_work(command: StackCommand) -> None:
    """Against the stack that `up` has made, at its own ports; what would take that away has a test of its own."""
    seen = set()
    for words in commands():
        verb = words[0]
        if verb in ("down", "doctor"):  # the doctor of this machine has its own tests
            continue
        more = ("--url", command.bridge) if verb == "smoke" else ()
        done = command.run(*words, *more)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        seen.add(verb)
    command.run("webui", "demo", "--remove")

    report = ET.parse(command.folder / "results" / "smoke.xml").getroot()  # noqa: S314 -- our own
    reported = {found.get("name") for found in report.iter("property")}
    assert seen == {"smoke", "webui", "status", "logs"}
    assert report.get("failures") == "0"
    assert {f"tokens_per_second_at_{length}" for length in (128, 512, 2048)} <= reported


def test_it_cleans_up_before_and_always_after(command: StackCommand) -> None:
    """By a command that says with 4 that there is nothing to take away, and only then is that no failure."""
    steps = [step for step in JOB["steps"] if "embedstack down" in step.get("run", "")]
    names = [step.get("name") for step in JOB["steps"]]
    (words,) = {tuple(words) for words in commands() if words[0] == "down"}
    none = command.run(*words, EMBEDSTACK_STACK_NAME=JOB["env"]["EMBEDSTACK_STACK_NAME"])

    assert none.returncode == 4
    assert all("|| [ $? -eq 4 ]" in step["run"] for step in steps)
    assert names.index(steps[0]["name"]) < names.index("The stack") < names.index(steps[1]["name"])
    assert (steps[1]["if"], JOB["steps"][-1]) == ("always()", steps[1])
