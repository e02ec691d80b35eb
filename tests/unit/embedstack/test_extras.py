"""What is not installed is named, with the command that installs it, by anyone who needs it."""

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
from embedstack.deploy import advice, cli
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
    """With exit status 3: this machine has to change first."""
    gone("rich", "typer")

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 3
    assert capsys.readouterr().err == (
        "embedstack: The command `embedstack` needs rich and typer, which are not installed.\n"
        f"Install the extra `stack`: `{STACK}`.\n"
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the environment that we seem to run in, in a folder of others."""
    folder = tmp_path / "cache" / "environments" / "one"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(folder))
    monkeypatch.delenv("UV", raising=False)
    return folder


@pytest.mark.parametrize(
    ("receipt", "command"),
    [
        ("uv-receipt.toml", "uv tool install 'embedstack[all]'"),
        ("pipx_metadata.json", "pipx install --force 'embedstack[all]'"),
        ("pyvenv.cfg", EMBEDDED),
    ],
)
def test_an_extra_is_installed_by_what_installed_the_rest(place: Path, receipt: str, command: str) -> None:
    """pip adds an extra; uv and pipx replace what there was, so that all are named."""
    (place / receipt).touch()

    assert extras.Missing("embedded", ("gguf",)).advice == f"Install the extra `embedded`: `{command}`."


def _of_uvx(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.parent.parent / "CACHEDIR.TAG").touch()
    monkeypatch.setenv("UV", "/opt/uv")


def test_uvx_runs_a_command_again_with_what_it_lacks(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words, in an environment of the same Python with every extra; the command is shown."""
    _of_uvx(place, monkeypatch)
    ran: list[tuple[str, list[str], dict[str, str]]] = []
    said: list[str] = []
    monkeypatch.setattr(extras, "_with_extras", lambda: "embedstack[all]==7.7")

    extras.run_with_extras(["demo", "--once"], said.append, lambda *given: ran.append(given))

    ((program, words, environment),) = ran
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert program == words[0] == "/opt/uv"
    assert words[1:] == [
        *("tool", "run", "--python", python, "--from", "embedstack[all]==7.7", "embedstack", "demo", "--once"),
    ]
    assert said == [f"$ uv tool run --python {python} --from 'embedstack[all]==7.7' embedstack demo --once"]
    monkeypatch.setenv(extras.ASKED, environment[extras.ASKED])
    extras.run_with_extras(["demo"], said.append, lambda *given: ran.append(given))
    assert len(ran) == 1  # it does not ask for itself for ever


def test_nobody_elses_environment_is_left_for_another(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`uv run` in a project sets UV as well, and what `uv tool install` made has the tag in itself."""
    monkeypatch.setenv("UV", "/opt/uv")
    (place / "CACHEDIR.TAG").touch()
    ran: list[object] = []

    extras.run_with_extras(["demo"], ran.append, lambda *given: ran.append(given))

    assert ran == []


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, f"embedstack[all]=={metadata.version('embedstack')}"),
        ('{"url": "file:///d/e.whl", "archive_info": {}}', "embedstack[all] @ file:///d/e.whl"),
        (
            '{"url": "https://example.org/e", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}',
            "embedstack[all] @ git+https://example.org/e@c0ffee",
        ),
    ],
)
def test_the_extras_are_those_of_this_very_distribution(
    monkeypatch: pytest.MonkeyPatch, origin: str | None, requirement: str
) -> None:
    """Its version on an index, or the file or the commit that was named."""
    real = metadata.PathDistribution.read_text

    def read_text(self: metadata.PathDistribution, name: str) -> str | None:
        return origin if name == "direct_url.json" else real(self, name)

    monkeypatch.setattr(metadata.PathDistribution, "read_text", read_text)

    assert extras._with_extras() == requirement


def test_a_command_is_advised_as_uvx_has_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program lies in uv's cache, and on no PATH once it has ended."""
    _of_uvx(place, monkeypatch)
    monkeypatch.setattr(extras, "_with_extras", lambda: "embedstack[all]==7.7")
    assert advice.followable("Look: `embedstack status`.") == "Look: `uvx embedstack status`."

    monkeypatch.setattr(extras, "_with_extras", lambda: "embedstack[all] @ file:///d/e.whl")
    assert "`uvx --from 'embedstack[all] @ file:///d/e.whl' embedstack up`" in advice.followable("`embedstack up`")


def test_a_fault_of_our_own_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of ours that cannot be imported is reported as what it is."""
    monkeypatch.setitem(sys.modules, "embedstack.deploy.cli.app", None)

    with pytest.raises(ModuleNotFoundError, match=r"embedstack\.deploy\.cli\.app"):
        cli.main()


def test_a_bridge_with_the_engine_inside_says_what_that_needs(gone: Gone) -> None:
    """Before it listens anywhere."""
    gone("gguf", "xllamacpp")
    engine = EngineSettings(kind="embedded", gguf=Path("/models/model.gguf"))

    with pytest.raises(ConfigError) as reported:
        choose.members(Settings(engine=engine), [engine], model(), None)

    assert str(reported.value).startswith(
        "The engine inside the bridge needs gguf and xllamacpp, which are not installed."
    )
    assert EMBEDDED in str(reported.value)


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

    with pytest.raises(ExtraMissing) as reported:
        demo.run(Report("demo", as_json=True), once=True, port=None)

    assert reported.value.exit_code == 3
    assert EMBEDDED in reported.value.advice
