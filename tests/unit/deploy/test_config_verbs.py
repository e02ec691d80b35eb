"""`embedstack config …` and `completion`: what they give, and what they write."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from embedstack.deploy import config_verbs, places, secrets
from embedstack.deploy.cli import bridge as commands
from embedstack.deploy.config import SCHEMA, load
from embedstack.deploy.console import Data, success
from embedstack.deploy.errors import FolderNotUsable, InvalidSettings, NotRunning
from embedstack.deploy.plan import stores
from tests.paths import ROOT

pytestmark = pytest.mark.usefixtures("here")


def _silent(line: str) -> None:
    pytest.fail(f"nothing is to be said: {line}")


def _text(data: Data) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(data, crop=False)
    return captured.get()


# --- show -------------------------------------------------------------------------------------------------------


def test_show_has_every_key_and_with_sources_where_it_came_from() -> None:
    """One line a key, as YAML; with sources each line ends with one."""
    loaded = load({}, {"EMBEDSTACK_PORTS_WEBUI": "8080"})

    plain, sourced = _text(config_verbs.show(loaded)), _text(config_verbs.show(loaded, with_sources=True))

    assert [line.partition(":")[0] for line in plain.splitlines()] == list(SCHEMA.table)
    assert "ports.webui: 8080\n" in plain
    assert "ports.webui: 8080 # EMBEDSTACK_PORTS_WEBUI" in {" ".join(line.split()) for line in sourced.splitlines()}
    assert "ports.vllm: 8000 # default" in {" ".join(line.split()) for line in sourced.splitlines()}


def test_show_masks_a_password_in_an_address() -> None:
    """Neither people nor scripts get to see it."""
    reported = config_verbs.show(load({}, {"EMBEDSTACK_HUB_ENDPOINT": "https://me:hunter2@mirror"}))

    assert "hunter2" not in _text(reported) + success("config show", reported)
    assert "https://********@mirror" in _text(reported)


# --- set --------------------------------------------------------------------------------------------------------


def test_set_makes_a_file_that_holds(here: Path) -> None:
    """Without a file one is made in the current folder, and read from then on."""
    reported = config_verbs.set_values(["ports.webui", "8080", "model.num_ctx", "4096"], {}, here)

    loaded = load({}, {})
    assert here / "embedstack.yaml" == reported.file == loaded.file
    assert (loaded.settings.ports.webui, loaded.settings.model.num_ctx) == (8080, 4096)
    assert "ports.webui: 8080" in _text(reported)


def test_set_keeps_what_people_wrote(here: Path) -> None:
    """Comments and permissions stay, and a link stays a link."""
    kept = here / "kept.yaml"
    kept.write_text("# mine\nports:\n  webui: 1  # for the proxy\n")
    kept.chmod(0o640)
    (here / "embedstack.yaml").symlink_to(kept)

    config_verbs.set_values(["ports.webui", "8080"], {}, here)

    assert kept.read_text() == "# mine\nports:\n  webui: 8080  # for the proxy\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert (here / "embedstack.yaml").is_symlink()


def test_set_writes_into_the_file_that_is_read(here: Path, tmp_path: Path) -> None:
    """The user's own where there is none here; the one that is named before both, made where it is missing."""
    user = tmp_path / "config" / "embedstack" / "embedstack.yaml"
    user.parent.mkdir(parents=True)
    user.write_text("")
    named = tmp_path / "new" / "named.yaml"

    assert user == config_verbs.set_values(["ports.webui", "81"], {}, here).file
    assert named == config_verbs.set_values(["hub.cache", "hub"], {"EMBEDSTACK_CONFIG": str(named)}, here).file
    assert here / "hub" == load({}, {}, file=named).settings.hub.cache


def test_set_says_what_still_wins(here: Path) -> None:
    """A variable is stronger than the file."""
    reported = config_verbs.set_values(["ports.webui", "81"], {"EMBEDSTACK_PORTS_WEBUI": "82"}, here)

    assert "EMBEDSTACK_PORTS_WEBUI is set and wins over ports.webui" in _text(reported)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "config set: expected KEY VALUE [KEY VALUE …], got nothing."),
        (["ports.webui"], "config set: expected KEY VALUE [KEY VALUE …], got ports.webui."),
        (["ports.webiu", "1"], "config set: ports.webiu: no such setting; did you mean 'ports.webui'?"),
        (["ports.webui", "70000"], "config set: ports.webui: expected an integer from 1 to 65535, got 70000."),
        (["ports.webui", "{"], "config set: ports.webui: expected an integer from 1 to 65535, got '{'."),
        (["ports.webui", "8000"], "config set: ports names one port twice"),
    ],
)
def test_set_refuses_what_cannot_be_used_and_writes_nothing(here: Path, words: list[str], problem: str) -> None:
    """The file is checked as it would be before it is written."""
    with pytest.raises(InvalidSettings) as refused:
        config_verbs.set_values(words, {}, here)

    assert refused.value.message.startswith(problem)
    assert not (here / "embedstack.yaml").exists()


def test_set_refuses_a_file_that_it_would_have_to_rewrite(here: Path) -> None:
    """Where a value cannot be changed alone, the advice says what to change by hand."""
    text = "ports: &p {webui: 1}\nimages: *p\n"
    (here / "embedstack.yaml").write_text(text)

    with pytest.raises(InvalidSettings, match=r"ports\.webui cannot be set without rewriting") as refused:
        config_verbs.set_values(["ports.webui", "80"], {}, here)

    assert refused.value.advice == "Change it by hand: `webui: …` below `ports:`."
    assert text == (here / "embedstack.yaml").read_text()


def test_set_mends_a_value_that_was_wrong(here: Path) -> None:
    """A file that cannot be used for that very value can be put right with it."""
    (here / "embedstack.yaml").write_text("ports: {webui: 70000}")

    config_verbs.set_values(["ports.webui", "80"], {}, here)

    assert load({}, {}).settings.ports.webui == 80


def test_set_names_a_file_that_cannot_be_written(here: Path) -> None:
    """The message says which, the advice how to name another."""
    with pytest.raises(FolderNotUsable, match=r"/proc/none/embedstack\.yaml cannot be written") as refused:
        config_verbs.set_values(["ports.webui", "80"], {}, here, file=Path("/proc/none/embedstack.yaml"))

    assert "--config" in refused.value.advice


# --- example, secrets, systemd ----------------------------------------------------------------------------------


def test_the_example_can_be_used_as_it_is(here: Path) -> None:
    """What is printed is a settings file that changes nothing, at any width of the terminal."""
    (here / "embedstack.yaml").write_text(_text(config_verbs.example()))

    assert load({}, {}).settings == load({}, {}, Path("/")).settings
    assert (here / "embedstack.yaml").read_text() == config_verbs.example().text


def test_secrets_stand_in_this_result_alone() -> None:
    """`config secrets` shows each by its name; where none were made it says what makes them."""
    with pytest.raises(NotRunning):
        config_verbs.show_secrets("embedstack", _silent)
    made = secrets.ensure(places.places("embedstack"), _silent)

    reported = config_verbs.show_secrets("embedstack", _silent)

    assert f"webui_admin_password: {made.webui_admin_password}\n" in _text(reported)
    assert json.loads(success("config secrets", reported))["data"]["secrets"]["bridge_key"] == made.bridge_key
    assert made.bridge_key not in success("config show", config_verbs.show(load({}, {})))


def test_the_unit_runs_this_stack_with_this_file(here: Path) -> None:
    """Program and file are absolute, so that it runs the same from wherever systemd starts it."""
    (here / "embedstack.yaml").write_text("stack: {name: two}")

    unit = config_verbs.user_unit(load({}, {}), {"EMBEDSTACK_HOME": "/srv/100% mine", "HF_TOKEN": "hunter2"}, here).text

    program = Path(sys.executable).with_name("embedstack")
    assert f"ExecStart={program} up --foreground --mode native --stack two --config {here}/embedstack.yaml\n" in unit
    assert 'Environment="EMBEDSTACK_HOME=/srv/100%% mine"\n' in unit
    assert "hunter2" not in unit


def test_the_unit_keeps_what_variables_and_flags_say(here: Path) -> None:
    """systemd has an environment of its own; a password in an address is not written into the unit."""
    variables = {"EMBEDSTACK_PORTS_WEBUI": "81", "EMBEDSTACK_HUB_ENDPOINT": "https://me:hunter2@mirror"}

    unit = config_verbs.user_unit(load({"model.id": "demo", "webui.enabled": False}, variables), variables, here).text

    assert " --stack embedstack --set model.id=demo --set webui.enabled=false --set ports.webui=81\n" in unit
    assert "hunter2" not in unit


def test_the_unit_finds_what_the_shell_finds(here: Path) -> None:
    """Programs, models and vectors are where variables say; no password in an address is kept; the mode is native."""
    kept = {name: f"/srv/{name}" for name in ("EMBEDSTACK_CACHE", "HF_HUB_CACHE", "OLLAMA_MODELS", "PATH")}
    variables = {**kept, "HF_ENDPOINT": "https://me:hunter2@mirror", "SHELL": "/bin/sh"}

    unit = config_verbs.user_unit(load({"stack.mode": "docker"}, {}), variables, here).text

    assert [line for line in unit.splitlines() if line.startswith("Environment=")] == [
        f"Environment={name}={value}" for name, value in kept.items()
    ]
    assert " --mode native " in unit
    assert "stack.mode" not in unit
    assert "hunter2" not in unit


@pytest.mark.process
def test_the_unit_is_written_as_systemd_reads_it(tmp_path: Path) -> None:
    """Spaces, quotes, per cent and dollar signs reach the program as they are; a systemd that is here says so too."""
    argv = ["/bin/echo", "a b", "100%", "$HOME", 'q"q', "b\\s", "é;'"]
    text = config_verbs.systemd_unit("a%b", argv, tmp_path, {"A": "x %h y"})
    (tmp_path / "embedstack.service").write_text(text)

    assert "\nExecStart=/bin/echo " + r'''"a b" "100%%" $$HOME "q\"q" "b\\s" "é;'"''' + "\n" in text
    _verified(tmp_path / "embedstack.service", tmp_path)


def _verified(unit: Path, home: Path) -> None:
    """By a systemd that is here."""
    if verify := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [verify, "--user", "verify", "--man=no", str(unit)],
            env={"XDG_RUNTIME_DIR": str(home), "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_the_unit_of_a_bridge_alone_is_one_for_systemd(tmp_path: Path) -> None:
    """That of docs/existing.md, with a program where pipx puts it; its drop-in is what Open WebUI reads."""
    unit, drop_in = re.findall(r"```ini\n(.*?)```", (ROOT / "docs" / "existing.md").read_text(), flags=re.DOTALL)
    program = tmp_path / ".local" / "bin" / "embed-bridge"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("embed-bridge"))
    (tmp_path / "embed-bridge.service").write_text(unit)

    assert f"ExecStart=%h/{program.relative_to(tmp_path)}" in unit.splitlines()
    assert [f"Environment={line}" for line in stores.lines()] == drop_in.splitlines()[1:]
    _verified(tmp_path / "embed-bridge.service", tmp_path)


# --- completion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_asks_this_program(shell: commands.Shell) -> None:
    """It names the program and the variable by which the program is asked."""
    script = commands.completion(shell).script

    assert "embedstack" in script
    assert f"_EMBEDSTACK_COMPLETE=complete_{shell}" in script
    assert f"{script}\n" == _text(commands.completion(shell))


@pytest.mark.process
def test_bash_accepts_its_script() -> None:
    """`bash -n` finds no mistake in it."""
    script = commands.completion("bash").script

    subprocess.run(["/usr/bin/env", "bash", "-n"], input=script, text=True, timeout=60, check=True)


@pytest.mark.process
def test_bash_is_given_the_verbs(tmp_path: Path) -> None:
    """A bash that has read the script completes `embedstack ver` to `embedstack version`."""
    program = tmp_path / "embedstack"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'embedstack'\nfrom embedstack.deploy.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    asked = "COMP_WORDS=(embedstack ver); COMP_CWORD=1; _embedstack_completion embedstack; echo ${COMPREPLY[@]}"

    output = subprocess.run(
        ["/usr/bin/env", f"PATH={tmp_path}:{os.environ['PATH']}", f"PYTHONPATH={ROOT}", "bash"],
        input=f"{commands.completion('bash').script}\n{asked}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (output.stdout, output.stderr) == ("version\n", "")
