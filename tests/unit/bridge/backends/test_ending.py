"""A process that ends: whether what it was working on can have done it, and what a person is shown."""

import signal
from pathlib import Path

import pytest

from embedstack.bridge.backends import child
from embedstack.bridge.backends.child import Ending

OWN = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
SENT = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGXCPU")


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("through_a_shell", [False, True])
def test_a_fault_of_the_program_may_be_the_text(name: str, through_a_shell: bool) -> None:
    """Whether the signal is reported as one, or as a shell or a container tells it."""
    number = int(signal.Signals[name])
    end = Ending(128 + number if through_a_shell else -number)

    assert end.may_be_text
    assert str(end) == f"{name}, a fault of its own"


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("through_a_shell", [False, True])
def test_a_signal_from_outside_is_never_the_text(name: str, through_a_shell: bool) -> None:
    """The out-of-memory killer, a person, a service manager: it is named."""
    number = int(signal.Signals[name])
    end = Ending(128 + number if through_a_shell else -number)

    assert not end.may_be_text
    assert name in str(end)
    assert "sen" in str(end)


@pytest.mark.parametrize(("status", "may_be"), [(0, False), (1, True), (2, True), (127, True), (-64, False)])
def test_other_ends(status: int, may_be: bool) -> None:
    """An orderly end is nobody's doing; an exit status of a failure may be anybody's."""
    assert Ending(status).may_be_text is may_be


def test_what_the_bridge_ended_is_not_blamed_on_anybody() -> None:
    """A reset, or a call that took too long."""
    end = Ending(-signal.SIGKILL, by_us=True)

    assert not end.may_be_text
    assert str(end) == "the bridge itself"


def test_a_kill_names_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is free, and whether the kernel's own killer was seen at work."""
    monkeypatch.setattr(child, "available_memory", lambda: 3 * 2**29)

    assert "1.5 GiB of memory are free now" in str(Ending(-9))
    assert "or a person" in str(Ending(-9))
    assert "most likely the kernel's out-of-memory killer" in str(Ending(-9, killed_for_memory=1))


def test_a_kernel_that_says_nothing_is_taken_for_one_that_killed_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Other systems have no such files, and older kernels no such lines."""
    for content in (None, "", "oom_kill\n", "oom_kill many\n", "nr_free_pages 1\n"):
        file = tmp_path / "vmstat"
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)
        monkeypatch.setattr(child, "_VMSTAT", file)
        assert child.killed_for_memory() == 0
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 7\n")
    assert child.killed_for_memory() == 7
