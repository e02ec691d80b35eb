"""One supervisor a stack: what it starts, what it starts again, and what it leaves alone."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from embedstack.deploy.errors import PartNotReady
from embedstack.deploy.native import client, logs, protocol
from embedstack.deploy.native import process as identity
from embedstack.deploy.native.process import Identity
from embedstack.deploy.native.protocol import RecordedPart, SupervisorRecord
from embedstack.deploy.places import Places
from tests.integration.native.toys import (
    SLEEPER,
    alive,
    eventually,
    kill,
    pid_of,
    program,
    report,
    runs_again,
    server,
    stack,
    states,
    supervisor_pid,
)

pytestmark = pytest.mark.thorough


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with stack(tmp_path / "stack") as made:
        client.start_supervisor(made)
        yield made


def up(places: Places, *specs: object) -> client.AppliedParts:
    applied = client.apply(places, specs, report())  # type: ignore[arg-type]
    client.wait_ready(places, [spec.name for spec in specs], 30, report())  # type: ignore[attr-defined]
    return applied


def test_a_part_is_started_and_ready_when_it_answers(places: Places) -> None:
    """`wait_ready` returns once the address can be used."""
    spec = server()
    assert up(places, spec) == client.AppliedParts(started=("server",))
    with socket.create_connection(("127.0.0.1", int(str(spec.address).rpartition(":")[2]))):
        assert states(places)["server"].state == "running"


def test_the_same_again_changes_nothing(places: Places) -> None:
    """Typing `up` twice leaves every process as it is."""
    spec = server()
    up(places, spec)
    before = pid_of(places, "server")
    assert up(places, spec).nothing
    assert before == pid_of(places, "server")


def test_what_differs_is_replaced_and_nothing_else(places: Places) -> None:
    """A changed variable restarts its part alone."""
    one, two = server("one"), server("two")
    up(places, one, two)
    before = pid_of(places, "one"), pid_of(places, "two")
    applied = up(places, one, replace(two, environment={"X": "1"}))
    assert applied == client.AppliedParts(replaced=("two",))
    assert before[0] == pid_of(places, "one")
    assert before[1] != pid_of(places, "two")
    assert not alive(before[1])


def test_what_is_wanted_no_longer_is_stopped(places: Places) -> None:
    """A part that is neither asked for nor to be kept ends; one that is kept goes on."""
    one, two, three = server("one"), server("two"), server("three")
    up(places, one, two, three)
    pids = {name: pid_of(places, name) for name in ("one", "two", "three")}
    applied = client.apply(places, [one], report(), keep=["two"])
    assert applied == client.AppliedParts(stopped=("three",))
    assert {"one", "two"} == set(states(places))
    assert [alive(pids[name]) for name in ("one", "two", "three")] == [True, True, False]


def test_a_killed_part_is_started_again(places: Places) -> None:
    """kill -9: another process answers, and the state counts it."""
    up(places, server())
    before = pid_of(places, "server")
    kill(before)
    eventually(lambda: runs_again(places, "server", before))
    assert states(places)["server"].restarts == 1


def test_what_a_killed_part_has_started_ends_with_it(places: Places) -> None:
    """A child that would hold the port or the GPU against the next run is ended."""
    parent = (
        "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    )
    parent += "print(c.pid, flush=True); time.sleep(600)"
    up(places, program("parent", parent))
    log = places.logs / "parent.log"
    child = int(eventually(lambda: log.read_text().split() if log.exists() else [])[0])
    kill(pid_of(places, "parent"))
    eventually(lambda: not alive(child))


def test_one_that_ends_at_once_fails_with_its_words(places: Places) -> None:
    """It is tried three times; then the error has the reason and the last lines of its log."""
    client.apply(places, [program("broken", "import sys; sys.exit('no such model')")], report())
    with pytest.raises(PartNotReady, match="broken does not start: it ended with status 1, 3 times in a row") as failed:
        client.wait_ready(places, ["broken"], 30, report())
    assert "no such model" in failed.value.advice


def test_a_failed_part_is_tried_again_by_the_next_up(places: Places) -> None:
    """Once the cause is gone the same spec comes up."""
    marker = places.root / "repaired"
    spec = program(
        "broken",
        f"import pathlib, sys, time\nif not pathlib.Path({str(marker)!r}).exists(): sys.exit(1)\ntime.sleep(600)",
    )
    client.apply(places, [spec], report())
    eventually(lambda: states(places)["broken"].state == "failed")
    marker.touch()
    assert up(places, spec) == client.AppliedParts(started=("broken",))


def test_a_program_that_is_not_there_is_named(places: Places) -> None:
    """The reason is the system's, with the path."""
    spec = replace(program("gone", ""), argv=("/no/such/program",))
    client.apply(places, [spec], report())
    with pytest.raises(PartNotReady, match="No such file or directory: /no/such/program"):
        client.wait_ready(places, ["gone"], 30, report())


def test_a_part_that_never_answers_is_reported_after_the_time_given(places: Places) -> None:
    """It goes on being tried, but nobody waits for ever."""
    client.apply(places, [replace(server(), argv=(sys.executable, "-c", SLEEPER))], report())
    with pytest.raises(PartNotReady, match="server was not ready within 1 s"):
        client.wait_ready(places, ["server"], 1, report())


def test_one_that_ignores_sigterm_is_killed(places: Places) -> None:
    """After its time to stop it gets SIGKILL."""
    source = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    client.apply(places, [replace(program("deaf", source), stop_timeout=0.5)], report())
    log = places.logs / "deaf.log"
    eventually(lambda: log.exists() and "deaf" in log.read_text())
    pid = pid_of(places, "deaf")
    assert client.stop(places) == ("deaf",)
    assert not alive(pid)


def test_parts_stop_in_the_reverse_of_the_order_in_which_they_start(places: Places) -> None:
    """An engine outlives the bridge that asks it."""
    log = places.root / "order"
    source = (
        "import signal, sys, time\n"
        "def reported(what): open(sys.argv[2], 'a').write(f'{sys.argv[1]} {what}\\n')\n"
        "def end(*_): reported('ends'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); reported('starts'); time.sleep(600)"
    )
    engine = program("engine", source, "engine", str(log))
    bridge = program("bridge", source, "bridge", str(log), after=("engine",))
    client.apply(places, [bridge, engine], report())
    eventually(lambda: log.exists() and log.read_text().count("starts") == 2)
    client.stop(places)
    lines = log.read_text().splitlines()
    assert lines[2:] == ["bridge ends", "engine ends"]


def test_restart_gives_a_part_another_process(places: Places) -> None:
    """Asked for, it counts as no failure."""
    up(places, server())
    before = pid_of(places, "server")
    client.restart(places, ["server"])
    client.wait_ready(places, ["server"], 30, report())
    assert before != pid_of(places, "server")
    assert states(places)["server"].restarts == 0
    with pytest.raises(PartNotReady, match="no such part: nobody"):
        client.restart(places, ["nobody"])


def test_a_part_sees_what_it_was_given_and_little_else(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are meant for another bridge or another service do not reach it."""
    client.stop(places)
    monkeypatch.setenv("EMBED_BRIDGE_LISTEN_PORT", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    monkeypatch.setenv("OLLAMA_MODELS", "/models")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    client.start_supervisor(places)
    source = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(600)"
    up(places, program("part", source, environment={"GIVEN": "yes"}))
    log = places.logs / "part.log"
    eventually(lambda: log.exists() and log.read_text().endswith("\n"))
    seen = json.loads(log.read_text())
    assert {"EMBED_BRIDGE_LISTEN_PORT", "OPENAI_API_KEY"}.isdisjoint(seen)
    assert {"GIVEN": "yes", "OLLAMA_MODELS": "/models"}.items() <= seen.items()
    assert "127.0.0.1" in seen["no_proxy"]


def test_what_holds_secrets_is_for_this_user_alone(places: Places) -> None:
    """Socket, record and logs are 0600, their folders 0700."""
    up(places, server())
    files = (places.socket, protocol.record_path(places), places.logs / "server.log", places.logs / "supervisor.log")
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in files}
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in (places.root, places.run, places.logs)}


def test_stop_ends_everything_and_is_content_with_nothing(places: Places) -> None:
    """No process, socket or record is left, and stopping again finds nothing to do."""
    up(places, server())
    pids = pid_of(places, "server"), supervisor_pid(places)
    assert client.stop(places) == ("server",)
    eventually(lambda: not any(alive(pid) for pid in pids))
    assert not places.socket.exists()
    assert client.status(places) is None
    assert client.stop(places) == ()


def test_a_killed_supervisor_is_reported_and_the_next_takes_its_parts_over(places: Places) -> None:
    """The part never notices: same process, watched over again and started again when it ends."""
    spec = server()
    up(places, spec)
    part = pid_of(places, "server")
    kill(supervisor_pid(places))
    assert alive(part)
    assert states(places)["supervisor"].state == "failed"
    assert (states(places)["server"].state, states(places)["server"].pid) == ("running", part)
    assert client.start_supervisor(places)
    assert up(places, spec).nothing
    assert part == pid_of(places, "server")
    kill(part)
    eventually(lambda: runs_again(places, "server", part))


def test_up_starts_just_what_died_while_nobody_watched(places: Places) -> None:
    """Supervisor and one part killed: that part is started, the other is left alone."""
    one, two = server("one"), server("two")
    up(places, one, two)
    first = pid_of(places, "one")
    kill(supervisor_pid(places))
    kill(pid_of(places, "two"))
    assert [part.state for part in states(places).values()] == ["failed", "running", "stopped"]
    client.start_supervisor(places)
    assert up(places, one, two) == client.AppliedParts(started=("two",))
    assert first == pid_of(places, "one")


def test_what_a_killed_supervisor_has_left_can_be_stopped(places: Places) -> None:
    """`down` after a crash leaves nothing running."""
    up(places, server())
    part = pid_of(places, "server")
    kill(supervisor_pid(places))
    assert client.stop(places) == ("server",)
    assert not alive(part)


def test_a_reused_pid_kills_no_stranger(tmp_path: Path) -> None:
    """A record whose number belongs to another process by now: neither taken over, nor stopped, nor swept."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as stranger:
        try:
            with stack(tmp_path / "stack") as places:
                spec = server()
                born = psutil.Process(stranger.pid).create_time()
                who = Identity(stranger.pid, born - 1000, identity.new_token())
                protocol.write_record(places.create(), SupervisorRecord(999_999_999, (RecordedPart(spec, who),)))
                assert states(places)["server"].state == "stopped"
                client.start_supervisor(places)
                assert states(places) == {}
                assert up(places, spec) == client.AppliedParts(started=("server",))
                assert client.stop(places) == ("server",)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_two_supervisors_of_a_stack_cannot_live(places: Places) -> None:
    """The second ends at once with status 75, and the first answers as before."""
    first = supervisor_pid(places)
    command = [sys.executable, "-m", "embedstack.deploy.native", "--root", str(places.root)]
    assert subprocess.run(command, check=False, timeout=30).returncode == 75
    assert not client.start_supervisor(places)
    assert first == supervisor_pid(places)


def test_many_at_once_start_one_supervisor(tmp_path: Path) -> None:
    """Anyone who comes second uses the first one's."""
    source = "import sys; from pathlib import Path; from embedstack.deploy.native import client\n"
    source += "from embedstack.deploy.places import Places\n"
    source += "client.start_supervisor(Places(Path(sys.argv[1])))"
    with stack(tmp_path / "stack") as places:
        callers = [subprocess.Popen([sys.executable, "-c", source, str(places.root)]) for _ in range(3)]
        assert [caller.wait(60) for caller in callers] == [0, 0, 0]
        assert alive(supervisor_pid(places))


def test_a_path_too_long_for_a_socket_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is then in a short folder of this user's own, 0600 as well, and found under another TMPDIR too."""
    (long := tmp_path / ("t" * 120)).mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with stack(tmp_path / ("x" * 120)) as places:
        client.start_supervisor(places)
        monkeypatch.delenv("TMPDIR")
        path = protocol.socket_path(places)
        assert len(os.fsencode(path)) <= protocol.LONGEST_PATH
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert client.supervised(places)


def test_a_file_left_where_the_socket_belongs_is_replaced(tmp_path: Path) -> None:
    """A socket that nobody listens on any more does not keep the next supervisor away."""
    with stack(tmp_path / "stack") as places:
        places.create()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(places.socket))
        assert client.start_supervisor(places)
        assert client.supervised(places)


def test_a_line_that_is_no_request_is_refused(places: Places) -> None:
    """And the supervisor goes on."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(places.socket))
        connection.sendall(b'{"do": "format the disk"}\n')
        assert b"not a request" in connection.makefile("rb").readline()
    assert client.supervised(places)


def test_a_supervisor_that_hangs_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which process, and how to go on."""
    monkeypatch.setattr("embedstack.deploy.native.protocol.TIMEOUT", 0.3)
    hung = psutil.Process(supervisor_pid(places))
    hung.suspend()
    try:
        with pytest.raises(PartNotReady, match=f"process {hung.pid}\\) does not answer") as reported:
            client.status(places)
        assert f"kill -9 {hung.pid}" in reported.value.advice
    finally:
        hung.resume()


def test_attached_it_ends_with_the_block_and_so_do_the_parts(tmp_path: Path) -> None:
    """What systemd holds: no process stays behind."""
    with stack(tmp_path / "stack") as places:
        with client.attached_supervisor(places) as process:
            up(places, server())
            part = pid_of(places, "server")
            assert process.pid == supervisor_pid(places)
        assert process.returncode == 0
        assert not alive(part)


def test_sigterm_to_whoever_holds_it_ends_everything_in_order(tmp_path: Path) -> None:
    """As `systemctl stop` does: the part gets its time to end, and the status is 0."""
    reported = tmp_path / "reported"
    source = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(reported)!r}).touch(), sys.exit()))\n"
        "print('set', flush=True)\n"
        "time.sleep(600)"
    )
    holder = (
        "import sys; from pathlib import Path; from embedstack.deploy.native import client\n"
        "from embedstack.deploy.places import Places\n"
        "from tests.integration.native.toys import eventually, program, report\n"
        "places = Places(Path(sys.argv[1]))\n"
        "with client.attached_supervisor(places) as process:\n"
        "    client.apply(places, [program('part', sys.argv[2])], report())\n"
        "    client.wait_ready(places, ['part'], 30, report())\n"
        "    eventually(lambda: 'set' in (places.logs / 'part.log').read_text())\n"
        "    try:\n"
        "        print('up', flush=True)\n"
        "        process.wait()\n"
        "    except KeyboardInterrupt: pass\n"
    )
    with stack(tmp_path / "stack") as places:
        command = [sys.executable, "-c", holder, str(places.root), source]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            process.terminate()
            assert process.wait(30) == 0
        assert reported.exists()
        assert client.status(places) is None


def test_a_long_log_is_rotated_while_its_part_writes_on(places: Places) -> None:
    """The file stays small, the older lines are beside it, and the part keeps writing to it."""
    source = f"import os, time\nos.write(1, b'first\\n' + b'x' * {logs.LARGEST} + b'\\n')\n"
    source += "while True: print('and on', flush=True); time.sleep(0.01)"
    client.apply(places, [program("talker", source)], report())
    log = places.logs / "talker.log"
    older = log.with_name("talker.log.1")
    eventually(lambda: older.exists() and 0 < log.stat().st_size < logs.LARGEST)
    assert eventually(log.read_bytes).startswith(b"and on\n")
    assert older.read_bytes().startswith(b"first\n")
    assert stat.S_IMODE(older.stat().st_mode) == 0o600


def test_the_supervisors_own_log_is_rotated_too(places: Places) -> None:
    """A part that is started over and over writes a line of it each time, for months."""
    log = places.logs / "supervisor.log"
    older = log.with_name("supervisor.log.1")
    os.truncate(log, logs.LARGEST + 1)
    eventually(lambda: older.exists() and log.stat().st_size < logs.LARGEST)
    up(places, server())
    assert b"server: started as process" in eventually(log.read_bytes)
    assert older.stat().st_size == logs.LARGEST + 1
    assert stat.S_IMODE(older.stat().st_mode) == 0o600
