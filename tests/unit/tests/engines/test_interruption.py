"""What an interrupted, killed, failed or doubled build of an engine leaves behind. Real folders and processes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.engines.buildlog import BuildError, BuildLog
from tests.engines.install import install, locked
from tests.engines.recipe import STAMP, Recipe, Workshop
from tests.paths import ROOT
from tests.unit.tests.engines.toy import Witness, gone, make_tool, recipe, wait_for

pytestmark = pytest.mark.process


class TestInterruption:
    def test_an_interrupted_build_is_not_installed(self, tmp_path: Path) -> None:
        """Ctrl-C in the middle leaves nothing that could be taken for an engine."""

        def interrupted(workshop: Workshop) -> None:
            """A build that gets as far as its program."""
            make_tool(workshop)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            install([recipe(build=interrupted)], tmp_path, Witness())

        assert not recipe().installed(tmp_path)
        assert not (tmp_path / "toy-1.0").exists()

    def test_the_next_try_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """The scratch folder outlives an interruption, the half-made prefix does not, and success takes both away."""

        def two_tries(workshop: Workshop) -> None:
            """A build that is interrupted the first time."""
            assert list(workshop.prefix.iterdir()) == []
            half = workshop.scratch / "half"
            if not half.exists():
                half.touch()
                (workshop.prefix / "junk").touch()
                raise KeyboardInterrupt
            make_tool(workshop)

        with pytest.raises(KeyboardInterrupt):
            install([recipe(build=two_tries)], tmp_path, Witness())
        install([recipe(build=two_tries)], tmp_path, Witness())

        assert recipe().installed(tmp_path)
        assert {"tool", STAMP} == {path.name for path in (tmp_path / "toy-1.0").iterdir()}
        assert {".lock", "logs", "scratch", "toy-1.0"} == {path.name for path in tmp_path.iterdir()}
        assert list((tmp_path / "scratch").iterdir()) == []

    def test_a_failed_rebuild_keeps_the_old_engine(self, tmp_path: Path) -> None:
        """Until its successor is complete, the engine that is there stays there."""
        install([recipe()], tmp_path, Witness())

        with pytest.raises(BuildError):
            install([recipe(ingredients=("rye",), build=lambda w: w.log.run("false"))], tmp_path, Witness())
        assert recipe().installed(tmp_path)

    def test_an_interruption_ends_the_command(self, tmp_path: Path) -> None:
        """The command that runs, and what it started, do not go on after Ctrl-C."""
        pids = tmp_path / "pids"

        def interrupt_once_it_runs() -> None:
            """Ctrl-C as soon as both processes are there."""
            if pids.exists() and len(pids.read_text().split()) == 2:
                raise KeyboardInterrupt

        log = BuildLog(tmp_path / "log", tick=interrupt_once_it_runs)
        with pytest.raises(KeyboardInterrupt):
            log.run("sh", "-c", 'sleep 600 & echo $$ $! > "$0"; wait', pids)

        for pid in pids.read_text().split():
            wait_for(lambda pid=pid: gone(int(pid)))  # type: ignore[misc]

    def test_an_interruption_while_it_starts_ends_the_command_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C between a command's start and our first look at it does not lose it."""
        started: list[subprocess.Popen[bytes]] = []
        start = subprocess.Popen.__init__

        def interrupted_start(self: subprocess.Popen[bytes], *args: Any, **options: Any) -> None:
            """Ctrl-C arrives when the child is there and its Popen not yet returned."""
            start(self, *args, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(subprocess.Popen, "__init__", interrupted_start)
        with pytest.raises(KeyboardInterrupt):
            BuildLog(tmp_path / "log").run("sleep", "600")
        assert [process.returncode for process in started] == [-signal.SIGTERM]

    def test_a_killed_build_keeps_its_lock_until_its_commands_are_gone(self, tmp_path: Path) -> None:
        """After kill -9 of the builder nobody builds beside the compiler that it left behind."""
        program = (
            "import sys; from pathlib import Path\n"
            "from tests.engines.install import install; from tests.unit.tests.engines.toy import Witness, recipe\n"
            "folder = Path(sys.argv[1])\n"
            "run = lambda w: w.log.run('sh', '-c', 'echo $$ > \"$0\"; exec sleep 600', folder / 'pid')\n"
            "install([recipe(build=run)], folder, Witness())\n"
        )
        builder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT)
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
        left_behind = int((tmp_path / "pid").read_text())
        builder.kill()
        builder.wait()

        waiting, entered = threading.Event(), threading.Event()

        def enter() -> None:
            """Take the lock that the dead builder had."""
            with locked(tmp_path / ".lock", lambda _: waiting.set()):
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert waiting.wait(20)
        assert not entered.is_set()
        os.kill(left_behind, signal.SIGKILL)
        assert entered.wait(20)
        thread.join()

    def test_two_at_once_build_once(self, tmp_path: Path) -> None:
        """The second waits for the first, says so, and then finds the work done."""
        second = Witness()
        result: list[list[Recipe]] = []

        def slow(workshop: Workshop) -> None:
            """A build that ends when somebody waits for it."""
            thread.start()
            assert second.waited.wait(20)
            make_tool(workshop)

        toy = recipe(build=slow)
        thread = threading.Thread(target=lambda: result.append(install([toy], tmp_path, second)))
        assert [toy] == install([toy], tmp_path, Witness())
        thread.join(20)

        assert result == [[]]
        assert second.finished == []
