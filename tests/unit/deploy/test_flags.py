"""What a stack remembers of the flags that it was brought up with, and what counts more than that."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from embedstack.deploy import config_verbs, flags
from embedstack.deploy.config import LoadedSettings, load, stack_name
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.flags import Flag, Remembered
from embedstack.deploy.places import places

Up = Callable[..., LoadedSettings]


pytestmark = pytest.mark.usefixtures("here")


def _up(given: dict[str, object] | None = None, *assignments: str, **more: object) -> LoadedSettings:
    """As `up` that begins: its settings, and from then on they are remembered."""
    loaded = load(given or {}, {}, assignments=assignments, **more)  # type: ignore[arg-type]  # file, forget
    flags.write(places(loaded.settings.stack.name), loaded.remember)
    return loaded


def test_flags_count_for_every_later_command() -> None:
    """Each with the flag that gave it; so does a second `up` that gives none."""
    _up({"model.id": "demo", "webui.enabled": False}, "ports.webui=8080")

    for again in (load({}, {}), _up(), load({}, {})):
        settings = again.settings
        assert (settings.model.id, settings.webui.enabled, settings.ports.webui) == ("demo", False, 8080)
        assert again.sources["model.id"] == "--model of an earlier `up`"
        assert again.sources["webui.enabled"] == "--no-webui of an earlier `up`"
        assert again.sources["ports.webui"] == "--set of an earlier `up`"
        assert again.sources["ports.bridge"] == "default"


def test_they_are_stronger_than_the_file_and_weaker_than_the_environment(here: Path) -> None:
    """And than a flag that is given now, which replaces what was remembered."""
    (here / "embedstack.yaml").write_text("ports: {webui: 1001, bridge: 1002, vllm: 1003, ollama: 1004}")
    _up({}, "ports.webui=2001", "ports.bridge=2002", "ports.vllm=2003")

    loaded = load({}, {"EMBEDSTACK_PORTS_BRIDGE": "3002"}, assignments=["ports.vllm=4003"])

    ports = loaded.settings.ports
    assert (ports.webui, ports.bridge, ports.vllm, ports.ollama) == (2001, 3002, 4003, 1004)
    assert {key: flag.value for key, flag in loaded.remember.flags.items()} == {
        "ports.webui": 2001,
        "ports.bridge": 2002,
        "ports.vllm": 4003,
    }


def test_variables_are_not_remembered() -> None:
    """They are the shell's, and count for as long as they are set there; the model is known, and given to nobody."""
    loaded = load({}, {"EMBEDSTACK_MODEL_ID": "demo"})

    assert loaded.remember == Remembered(model="demo")
    assert loaded.remember.layer == {}


def test_each_stack_has_its_own() -> None:
    """The name of the stack is not a flag of it: that is how it is found."""
    _up({"stack.name": "two", "model.id": "demo"})

    assert load({}, {}).settings.model.id == "qwen3-embedding:4b"
    two = load({"stack.name": "two"}, {})
    assert (two.settings.model.id, "stack.name" in two.remember.flags) == ("demo", False)


def test_another_model_has_none_of_the_flags_of_the_one_before() -> None:
    """Quantisation, context and dimensions are said of a model; the rest stays."""
    _up({"model.id": "qwen3-embedding:0.6b", "model.quantisation": "f16", "model.num_ctx": 2048, "engine.cpu": True})

    same, other = load({"model.id": "qwen3-embedding:0.6b"}, {}).settings, load({"model.id": "demo"}, {}).settings

    assert (same.model.quantisation, same.model.num_ctx, same.engine.cpu) == ("f16", 2048, True)
    assert (other.model.quantisation, other.model.num_ctx, other.engine.cpu) == (None, None, True)
    assert _up({"model.id": "demo"}).remember.flags.keys() == {"model.id", "engine.cpu"}


def test_a_size_is_kept_for_its_model_whoever_named_that(here: Path) -> None:
    """The environment and a file name one too: their model is the one that was said, and no other has its size."""
    demo = {"EMBEDSTACK_MODEL_ID": "demo"}
    loaded = load({}, demo, assignments=["model.dimensions=1024"])
    flags.write(places(loaded.settings.stack.name), loaded.remember)

    assert load({}, demo).settings.model.dimensions == 1024
    assert load({"model.id": "demo"}, {}).settings.model.dimensions == 1024
    assert load({}, {}).settings.model.dimensions is None
    (here / "embedstack.yaml").write_text("model: {id: demo}")
    assert load({}, {}).settings.model.dimensions == 1024


def test_a_size_of_the_default_model_is_not_one_of_another() -> None:
    """Also where no flag named the model that it was said of."""
    _up({}, "model.dimensions=1024")

    assert load({}, {}).settings.model.dimensions == 1024
    assert load({"model.id": "demo"}, {}).settings.model.dimensions is None


def test_forget_begins_with_none() -> None:
    """What was given with it is all that is remembered then."""
    _up({"model.id": "demo", "engine.cpu": True})

    _up({"model.id": "qwen3-embedding:8b"}, forget=True)

    settings = load({}, {}).settings
    assert (settings.model.id, settings.engine.cpu) == ("qwen3-embedding:8b", False)


def test_paths_mean_the_same_in_every_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one is relative to where `up` was typed."""
    _up({}, "vllm.program=bin/vllm", "hub.cache=/elsewhere")

    monkeypatch.chdir(here.parent)

    settings = load({}, {}).settings
    assert (settings.vllm.program, settings.hub.cache) == (here / "bin" / "vllm", Path("/elsewhere"))


def test_the_settings_file_is_remembered(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder the stack has the same settings: a file that --config named, and one that was found."""
    found, named = here / "embedstack.yaml", tmp_path / "named.yaml"
    found.write_text("model: {id: demo}")
    named.write_text("model: {id: 'qwen3-embedding:8b'}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    _up()
    monkeypatch.chdir(elsewhere)
    assert (load({}, {}).file, load({}, {}).settings.model.id) == (found, "demo")

    _up(file=named)
    assert (load({}, {}).file, load({}, {}).settings.model.id) == (named, "qwen3-embedding:8b")
    monkeypatch.chdir(here)
    assert load({}, {}).file == named  # --config is a flag: it counts more than what lies in the folder
    assert load({}, {"EMBEDSTACK_CONFIG": str(found)}).file == found
    assert load({}, {}, file=found).file == found


def test_a_file_that_was_only_found_counts_less_than_that_of_the_folder(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was before anything was remembered."""
    (here / "embedstack.yaml").write_text("ports: {webui: 1001}")
    _up()
    other = tmp_path / "other"
    other.mkdir()
    (other / "embedstack.yaml").write_text("ports: {webui: 1002}")

    monkeypatch.chdir(other)

    assert load({}, {}).settings.ports.webui == 1002


def test_the_users_own_file_is_found_from_everywhere_and_not_remembered(tmp_path: Path) -> None:
    """A folder with a file of its own then counts as it always did."""
    own = tmp_path / "config" / "embedstack" / "embedstack.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("ports: {webui: 1001}")

    assert _up().settings.ports.webui == 1001
    assert load({}, {}).remember.file is None


def test_a_named_file_that_is_gone_is_reported(tmp_path: Path) -> None:
    """Another model is not taken in silence; the advice works."""
    named = tmp_path / "named.yaml"
    named.write_text("model: {id: demo}")
    _up(file=named)
    named.unlink()

    with pytest.raises(InvalidSettings, match="--config of an earlier `up`") as refused:
        load({}, {})

    assert "embedstack up --forget" in refused.value.advice
    assert load({}, {}, forget=True).settings.model.id == "qwen3-embedding:4b"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"flags": 1}', b'{"flags": {"model.id": "demo"}}', b"[]"])
def test_a_damaged_file_is_reported_and_the_stack_can_still_be_named(content: bytes) -> None:
    """`down` and `status` need no flags; what needs them says which file, and what to do, which works."""
    _up({"model.id": "demo"})
    places("embedstack").flags.write_bytes(content)

    with pytest.raises(InvalidSettings, match=r"flags\.json.*is damaged") as refused:
        load({}, {})

    assert "embedstack up --forget" in refused.value.advice
    assert stack_name(None, {}) == "embedstack"
    _up({"model.id": "demo"}, forget=True)
    assert load({}, {}).settings.model.id == "demo"


def test_a_flag_of_before_that_cannot_be_used_is_named_with_the_way_out() -> None:
    """As one of a setting that this version no longer allows; one that it no longer has is left out."""
    kept = Remembered({"ports.webui": Flag(0, "--set"), "gone.setting": Flag(1, "--set")})
    flags.write(places("embedstack"), kept)

    with pytest.raises(InvalidSettings, match=r"--set of an earlier `up`: ports\.webui") as refused:
        load({}, {})

    assert "embedstack up --forget" in refused.value.advice
    assert load({}, {}, assignments=["ports.webui=8080"]).settings.ports.webui == 8080


def test_flags_that_do_not_go_together_name_the_one_of_before() -> None:
    """Both are named, and how to be rid of the older one."""
    _up({"engine.kind": "vllm"})

    with pytest.raises(InvalidSettings, match="--engine of an earlier `up`, --set") as refused:
        load({}, {}, assignments=["vllm.beside=true"])

    assert "embedstack up --forget" in refused.value.advice


def test_only_its_user_may_read_them() -> None:
    """A mirror's address may hold a password; `config show` masks it."""
    _up({"hub.endpoint": "https://me:hunter2@mirror"})

    assert stat.S_IMODE(places("embedstack").flags.stat().st_mode) == 0o600
    reported = config_verbs.show(load({}, {}))
    assert [row.text for row in reported.settings if row.key == "hub.endpoint"] == ["https://********@mirror"]


def test_config_set_makes_a_flag_of_before_forgotten(here: Path) -> None:
    """Else what it says, that `up` brings the stack to it, would not hold. Other flags stay."""
    _up({"model.id": "qwen3-embedding:0.6b", "model.quantisation": "f16", "engine.cpu": True})

    reported = config_verbs.set_values(["model.id", "demo"], {}, here)

    assert [(row.key, row.forgotten) for row in reported.settings] == [("model.id", "--model")]
    settings = load({}, {}).settings
    assert (settings.model.id, settings.model.quantisation, settings.engine.cpu) == ("demo", None, True)


def test_config_set_writes_into_the_file_that_the_stack_reads(tmp_path: Path, here: Path) -> None:
    """The one that --config named when it was brought up."""
    named = tmp_path / "named.yaml"
    named.write_text("model: {id: demo}\n")
    _up(file=named)

    assert config_verbs.set_values(["ports.webui", "8080"], {}, here).file == named
    assert load({}, {}).settings.ports.webui == 8080


def test_a_systemd_unit_has_them(here: Path) -> None:
    """It runs the stack as it was brought up, also where no flag is typed for it."""
    _up({"model.id": "demo", "webui.enabled": False})

    unit = config_verbs.user_unit(load({}, {}), {}, here).text

    assert "--set model.id=demo" in unit
    assert "--set webui.enabled=false" in unit
