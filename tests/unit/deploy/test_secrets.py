"""A stack's secrets: made once, kept from others, shown by nothing that does not mean to."""

from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from embedstack.deploy import secrets
from embedstack.deploy.errors import FolderNotUsable, InvalidSettings, NotRunning
from embedstack.deploy.places import Places


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return Places(tmp_path / "stacks" / "one")


def _silent(line: str) -> None:
    pytest.fail(f"nothing is to be said: {line}")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once(here: Places) -> None:
    """The second time they are the same; another stack has others; each has 192 bits."""
    made = secrets.ensure(here, _silent)
    other = secrets.ensure(Places(here.root.with_name("two")), _silent)

    assert made == secrets.ensure(here, _silent)
    assert made == secrets.read(here, _silent)
    assert len({*asdict(made).values(), *asdict(other).values()}) == 8
    assert {len(value) for value in asdict(made).values()} == {32}


def test_only_their_user_may_read_them(here: Places) -> None:
    """The file is 0600 in a folder of 0700, also where the folder was there before and open to all."""
    here.root.mkdir(parents=True)
    here.root.chmod(0o755)

    secrets.ensure(here, _silent)

    assert (_mode(here.secrets), _mode(here.root)) == (0o600, 0o700)
    assert {path.name for path in here.root.iterdir()} == {"secrets.yaml", "secrets.lock", "run", "logs", "data"}


def test_no_value_is_shown_by_accident(here: Places) -> None:
    """What a log line, a traceback or an f-string makes of them has no value in it."""
    made = secrets.ensure(here, _silent)

    assert [value for value in asdict(made).values() if value in f"{made} {made!r} {[made]}"] == []
    assert "webui_admin_password" in repr(made)


def test_a_secret_is_compared_without_being_shown(here: Places) -> None:
    """Only the very secret matches."""
    made = secrets.ensure(here, _silent)

    assert made.matches("bridge_key", made.bridge_key)
    assert not made.matches("bridge_key", made.webui_secret_key)
    assert not made.matches("bridge_key", "ünlike")


def test_permissions_that_are_too_wide_are_tightened_with_a_word(here: Places) -> None:
    """A file that others could read is theirs no more, and its user is informed."""
    made = secrets.ensure(here, _silent)
    here.secrets.chmod(0o644)
    said: list[str] = []

    assert made == secrets.ensure(here, said.append)
    assert said == [f"{here.secrets} could be read by others (0644); now it is 0600"]
    assert _mode(here.secrets) == 0o600


def test_a_secret_that_is_missing_is_added(here: Places) -> None:
    """A file of an older version keeps what it has."""
    made = secrets.ensure(here, _silent)
    here.secrets.write_text(yaml.safe_dump({"webui_secret_key": made.webui_secret_key}))

    now = secrets.ensure(here, _silent)

    assert made.webui_secret_key == now.webui_secret_key
    assert made.bridge_key != now.bridge_key
    assert now == secrets.ensure(here, _silent)


@pytest.mark.parametrize(
    "text", ["[hunter2", "hunter2", "bridge_key: [hunter2]", "hunter2: x", "bridge_key: ''", "bridge_key: 12345678"]
)
def test_a_file_that_is_no_file_of_secrets_is_refused_and_not_shown(here: Places, text: str) -> None:
    """What stands in it may be a secret all the same; it is neither reported nor overwritten."""
    here.create().secrets.write_text(text)
    here.secrets.chmod(0o600)

    with pytest.raises(InvalidSettings, match=r"secrets\.yaml is not a file of secrets") as refused:
        secrets.ensure(here, _silent)

    assert "hunter2" not in str(refused.value)
    assert "12345678" not in str(refused.value)
    assert text == here.secrets.read_text()


def test_a_link_in_their_place_is_not_followed(here: Places, tmp_path: Path) -> None:
    """Whatever a link names is neither read as secrets nor made 0600."""
    other = tmp_path / "other"
    other.write_text("bridge_key: x")
    here.create().secrets.symlink_to(other)

    with pytest.raises(FolderNotUsable, match=r"secrets\.yaml"):
        secrets.ensure(here, _silent)

    assert _mode(other) != 0o600


def test_where_none_were_made_none_are_shown(here: Places) -> None:
    """To look at secrets makes none, nor a folder for them."""
    with pytest.raises(NotRunning, match="'one' has no secrets"):
        secrets.read(here, _silent)

    assert not here.root.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The message says where, the advice what to set."""
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderNotUsable, match=r"file/one") as refused:
        secrets.ensure(Places(tmp_path / "file" / "one"), _silent)

    assert "EMBEDSTACK_HOME" in refused.value.advice


@pytest.mark.process
def test_processes_that_start_together_have_the_same_secrets(here: Places) -> None:
    """Two `up` at once make one set of secrets, and leave no other file behind."""
    program = (
        "import sys; from pathlib import Path; from embedstack.deploy import secrets\n"
        "from embedstack.deploy.places import Places;"
        "print(secrets.ensure(Places(Path(sys.argv[1])), print).bridge_key)"
    )
    argv = [sys.executable, "-c", program, str(here.root)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    printed = {process.communicate(timeout=60)[0] for process in running}

    assert printed == {f"{secrets.read(here, _silent).bridge_key}\n"}
    assert [path.name for path in here.root.iterdir() if path.name.startswith(".")] == []
