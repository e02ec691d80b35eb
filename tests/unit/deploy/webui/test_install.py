"""Open WebUI's own environment: what makes it, with which Python, and what an interruption leaves."""

import fcntl
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import Blocked, CommandFailed, FolderNotUsable, NotEnoughSpace
from embedstack.deploy.native import written
from embedstack.deploy.settings import WebuiSettings
from embedstack.deploy.webui import install
from embedstack.deploy.webui.install import WebuiEnvironment, commands, ensure, environment
from tests.upstreams.load import wait_until

SETTINGS = WebuiSettings(version="9.9.9")
REPORT = Report("test", as_json=True)


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what is run in place of uv, which would fetch gigabytes: a line of shell in the environment's folder."""

    def becomes(line: str) -> None:
        def made(wanted: WebuiEnvironment, *_: object) -> tuple[list[str], ...]:
            made_here = f"mkdir -p '{wanted.folder}/bin' && cd '{wanted.folder}/bin' && {line}"
            return (["/bin/sh", "-c", made_here],)

        monkeypatch.setattr(install, "commands", made)
        monkeypatch.setattr(install, "needed_bytes", lambda: 1)

    return becomes


def test_uv_makes_it_where_uv_is() -> None:
    """The Python may be a version, which uv finds or fetches."""
    wanted = WebuiEnvironment(Path("/cache/open-webui/0.12.4"), "0.12.4")
    assert commands(wanted, "3.12", Path("/bin/uv")) == (
        ["/bin/uv", "venv", "--no-project", "--python", "3.12", "/cache/open-webui/0.12.4"],
        ["/bin/uv", "pip", "install", "--python", "/cache/open-webui/0.12.4/bin/python", "open-webui==0.12.4"],
    )


def test_venv_and_pip_make_it_elsewhere() -> None:
    """Nothing but Python is needed."""
    wanted = WebuiEnvironment(Path("/cache/open-webui/0.12.4"), "0.12.4")
    inside = "/cache/open-webui/0.12.4/bin/python"
    assert commands(wanted, "/usr/bin/python3.12", None) == (
        ["/usr/bin/python3.12", "-P", "-m", "venv", "/cache/open-webui/0.12.4"],
        [inside, "-P", "-m", "pip", "install", "--progress-bar", "off", "open-webui==0.12.4"],
    )


@pytest.mark.process
def test_a_python_on_path_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv's shims are there for versions that are not; what counts is what a program says it is."""
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "own" / "python", "echo 3 13")))
    program(tmp_path / "bin" / "python3.12", "echo 'command not found' >&2; exit 127")
    good = program(tmp_path / "bin" / "python3.11", "echo 3 11")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert install.choose(SETTINGS, None) == str(good)


@pytest.mark.process
def test_without_a_python_uv_fetches_one_and_without_uv_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ways out are named."""
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", "echo 3 13")))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert install.choose(SETTINGS, Path("/bin/uv")) == "3.12"
    with pytest.raises(Blocked, match=r"needs Python 3\.11 or 3\.12") as reported:
        install.choose(SETTINGS, None)
    assert "uv" in reported.value.advice
    assert "--no-webui" in reported.value.advice


@pytest.mark.process
def test_the_python_of_the_settings_must_fit(tmp_path: Path) -> None:
    """No other is taken in its place."""
    wrong = program(tmp_path / "python", "echo 3 13")
    with pytest.raises(Blocked, match=f"webui.python is {wrong}"):
        install.choose(WebuiSettings(python=wrong), Path("/bin/uv"))


@pytest.mark.process
def test_what_is_there_is_not_made_again(cache: Path, installer: Callable[[str], None]) -> None:
    """The second time nothing is run."""
    installer(f"touch open-webui python && echo once >> '{cache}/runs'")
    assert ensure(SETTINGS, REPORT).complete
    assert ensure(SETTINGS, REPORT) == environment(SETTINGS)
    assert (cache / "runs").read_text() == "once\n"
    assert environment(SETTINGS).folder == cache / "open-webui" / "9.9.9"


@pytest.mark.process
@pytest.mark.usefixtures("cache")
def test_what_an_interruption_has_left_is_made_again(installer: Callable[[str], None]) -> None:
    """A program that is there proves nothing before the last file is written."""
    installer("touch open-webui python left-over; exit 130")
    with pytest.raises(CommandFailed):
        ensure(SETTINGS, REPORT)
    assert not environment(SETTINGS).complete
    installer("touch open-webui python")
    made = ensure(SETTINGS, REPORT)
    assert not (made.folder / "bin" / "left-over").exists()


@pytest.mark.process
@pytest.mark.usefixtures("cache")
def test_one_whose_python_has_gone_is_made_again(installer: Callable[[str], None]) -> None:
    """The environment's Python is a link to one that may be removed."""
    installer("touch open-webui && ln -sf /no/such/python python; true")
    assert not ensure(SETTINGS, REPORT).complete
    installer("touch open-webui python")
    assert ensure(SETTINGS, REPORT).complete


@pytest.mark.process
@pytest.mark.usefixtures("cache")
def test_a_failed_installation_has_the_installers_last_words(
    installer: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """What matters of the rest was reported as it went."""
    installer("echo 'Downloading torch (514.2MiB)'; echo ' + a==1'; echo 'error: no route to the index'; exit 2")
    with pytest.raises(CommandFailed, match=r"ended with 2:\n(.*\n)*error: no route to the index"):
        ensure(SETTINGS, REPORT)
    output = capsys.readouterr().err
    assert "\nDownloading torch (514.2MiB)\n" in output
    assert "\n + a==1\n" not in output


@pytest.mark.usefixtures("cache")
def test_two_commands_do_not_build_it_twice(installer: Callable[[str], None]) -> None:
    """The second waits for the first, says so, and finds the work done."""
    wanted = environment(SETTINGS)
    wanted.folder.mkdir(parents=True)
    installer("touch open-webui python")
    reported = Recording("test", as_json=True)
    # The file is closed before the pool is waited for: whatever fails here, the other one gets on.
    with ThreadPoolExecutor() as pool, (wanted.folder.parent / ".9.9.9.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = pool.submit(ensure, SETTINGS, reported)
        until = time.monotonic() + 20
        while not any("another command" in line for line in reported.lines):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert ensure_by_hand(wanted).complete
        fcntl.flock(first, fcntl.LOCK_UN)
        assert second.result(20) == wanted
    assert not any(line.startswith("$ ") for line in reported.lines)


class Recording(Report):
    """Keeps what it is given: pytest's own capture loses what another thread writes while it is read."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        super().__init__(command, as_json=as_json)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def command(self, argv: Sequence[str]) -> None:
        self.lines.append(f"$ {' '.join(argv)}")


def ensure_by_hand(wanted: WebuiEnvironment) -> WebuiEnvironment:
    for path in (wanted.program, wanted.python, wanted.folder / install.STAMP):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return wanted


def test_a_full_disk_is_reported_before_the_first_byte(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is needed, where, and how much there is."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000_000))
    monkeypatch.setattr(install, "needed_bytes", lambda: install.WITH_CUDA)
    with pytest.raises(NotEnoughSpace, match=r"takes 7\.0 GB in .*open-webui, where 2\.0 GB"):
        ensure(SETTINGS, REPORT)
    assert not (cache / "open-webui" / "9.9.9").exists()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting that names another."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path / "file"))
    with pytest.raises(FolderNotUsable, match="Not a directory") as reported:
        ensure(SETTINGS, REPORT)
    assert "EMBEDSTACK_CACHE" in reported.value.advice


@pytest.mark.process
@pytest.mark.usefixtures("cache")
def test_another_store_of_vectors_extends_what_is_there(
    installer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made again, what is added is reported, and the second time nothing is run."""
    installer("touch open-webui python")
    made = ensure(SETTINGS, REPORT)
    (kept := made.folder / "kept").touch()
    ran: list[tuple[str, ...]] = []

    def command(_python: Path, _uv: Path | None, _version: str, wanted: tuple[str, ...]) -> list[str]:
        ran.append(wanted)
        return ["/bin/sh", "-c", "echo Installed 2 packages"]

    monkeypatch.setattr(install, "command", command)
    on_pgvector = WebuiSettings(version="9.9.9", vector_store="pgvector")
    assert not environment(on_pgvector).complete
    assert ensure(on_pgvector, REPORT).complete
    assert ensure(on_pgvector, REPORT).complete
    assert ran == [("pgvector", "psycopg2-binary")]
    assert kept.exists()
    assert "gets what pgvector needs, once: pgvector, psycopg2-binary" in capsys.readouterr().err


def test_the_systems_certificates_are_trusted_unless_a_person_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a company's proxy uv would trust nobody; on a machine without certificates it would with this."""
    there = ssl.DefaultVerifyPaths("/etc/ssl/cert.pem", None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: there)
    assert install.trusting({"A": "b"}) == {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true", "A": "b"}
    assert install.trusting({"UV_SYSTEM_CERTS": "false"})["UV_SYSTEM_CERTS"] == "false"
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: there._replace(cafile=None))
    assert install.trusting({}) == {}


@pytest.mark.process
def test_how_much_is_written_is_reported_while_it_is_installed() -> None:
    """By the installer and by what it starts: neither pip nor uv says it in a pipe."""
    lines: list[int] = []
    writes = "open('/dev/null', 'wb', 0).write(bytes(3_000_000)); input()"
    argv = ["/bin/sh", "-c", 'if "$@"; then exit; fi', "sh", sys.executable, "-c", writes]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        with written.watched(process.pid, lines.append, every=0.01):
            wait_until(lambda: lines and lines[-1] >= 3_000_000, within=30, what="the bytes to be reported")
        process.communicate(b"\n")

    assert lines == sorted(lines)
