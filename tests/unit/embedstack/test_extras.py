"""What is not installed is named, with the command that installs it, by whoever needs it."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from embedstack import extras
from embedstack.bridge.engines import choose
from embedstack.bridge.settings.engines import EngineSettings
from embedstack.bridge.settings.load import ConfigError
from embedstack.bridge.settings.structs import Settings
from embedstack.deploy import cli
from embedstack.deploy import settings as stack
from embedstack.deploy.console import Report
from embedstack.deploy.demo import command as demo
from embedstack.deploy.errors import ExtraMissing
from embedstack.deploy.plan.engines import Blocker, Facts
from embedstack.deploy.plan.engines import choose as choose_engine
from embedstack.models import catalog
from tests.paths import ROOT

Gone = Callable[..., None]
EMBEDDED = "pip install 'embedstack[embedded]'"
STACK = "pip install 'embedstack[stack]'"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Gone:
    """Make distributions look as if they were not installed."""
    real = metadata.distribution

    def gone(*names: str) -> None:
        def distribution(name: str) -> metadata.Distribution:
            if name in names:
                raise metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(metadata, "distribution", distribution)

    return gone


def model() -> catalog.Model:
    return catalog.load().find("demo").model


def test_what_is_whole_is_not_missed() -> None:
    """`make setup-dev` installs every extra."""
    assert (extras.missing("embedded"), extras.missing("stack")) == (None, None)


@pytest.mark.parametrize("extra", ["embedded", "stack"])
def test_all_that_an_extra_asks_for_is_looked_for(gone: Gone, extra: extras.Extra) -> None:
    """By the list in pyproject.toml, of which there is no second copy."""
    listed = {line.partition(">")[0] for line in PROJECT["optional-dependencies"][extra]}
    gone(*listed)

    missing = extras.missing(extra)

    assert missing is not None
    assert set(missing.distributions) == listed


def test_one_that_is_missing_is_named_alone(gone: Gone) -> None:
    """Somebody has taken it away, or the installation broke off."""
    gone("xllamacpp")

    missing = extras.missing("embedded")

    assert missing is not None
    assert missing.message == "The engine inside the bridge needs xllamacpp, which is not installed."
    assert missing.advice == f"Install the extra `embedded`: `{EMBEDDED}`."


def test_the_command_without_its_packages_says_how_to_get_them(gone: Gone, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit status 3: this machine is in the way."""
    gone("rich", "typer")

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 3
    assert capsys.readouterr().err == (
        "embedstack: The command `embedstack` needs rich and typer, which are not installed.\n"
        f"Install the extra `stack`: `{STACK}`.\n"
    )


def test_a_fault_of_our_own_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of ours that cannot be imported is told as what it is."""
    monkeypatch.setitem(sys.modules, "embedstack.deploy.cli.app", None)

    with pytest.raises(ModuleNotFoundError, match=r"embedstack\.deploy\.cli\.app"):
        cli.main()


def test_a_bridge_with_the_engine_inside_says_what_that_needs(gone: Gone) -> None:
    """Before it listens anywhere."""
    gone("gguf", "xllamacpp")
    engine = EngineSettings(kind="embedded", gguf=Path("/models/model.gguf"))

    with pytest.raises(ConfigError) as told:
        choose.members(Settings(engine=engine), [engine], model(), None)

    assert str(told.value).startswith("The engine inside the bridge needs gguf and xllamacpp, which are not installed.")
    assert EMBEDDED in str(told.value)


def test_an_engine_elsewhere_needs_no_extra(gone: Gone) -> None:
    """The bridge before an Ollama is whole without."""
    gone("gguf", "xllamacpp")
    engine = EngineSettings(kind="ollama", url="http://127.0.0.1:11434")

    (member,) = choose.members(Settings(engine=engine), [engine], model(), None)

    assert member.backend.name.startswith("ollama")


@pytest.mark.parametrize(
    ("kind", "advised"), [("embedded", [EMBEDDED]), ("auto", [EMBEDDED, "https://ollama.com/download"])]
)
def test_a_stack_is_planned_with_no_engine_that_is_not_installed(kind: str, advised: list[str]) -> None:
    """`up` stops before it fetches anything; where any engine will do, an Ollama is the other way on."""
    settings = stack.Settings(engine=stack.EngineSettings(kind=kind))  # type: ignore[arg-type]
    lacking = extras.Missing("embedded", ("xllamacpp",))

    found = choose_engine(settings, model(), Facts("http://127.0.0.1:11434", lacking=lacking))

    assert isinstance(found, Blocker)
    assert lacking.message in found.message
    assert [one for one in advised if one not in found.advice] == []


def test_the_demo_says_what_it_needs_before_it_builds_a_model(gone: Gone) -> None:
    """`embedstack demo` with the toolkit alone."""
    gone("xllamacpp")

    with pytest.raises(ExtraMissing) as told:
        demo.run(Report("demo", as_json=True), once=True, port=None)

    assert told.value.exit_code == 3
    assert EMBEDDED in told.value.advice
