"""The stack's settings: four layers, where each value came from, and errors that say what is wrong and where."""

from collections.abc import Callable
from pathlib import Path

import pytest

from embedstack.deploy.config import SCHEMA, LoadedSettings, load
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.settings import Settings

Read = Callable[..., LoadedSettings]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine or of this repository are in reach."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


def test_nothing_set_is_every_default() -> None:
    """Without file, variable or flag every value is its default, and says so."""
    loaded = load({}, {})

    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.file is None


def test_a_stronger_layer_wins_and_says_so() -> None:
    """Flags beat --set, that the environment, that the file, that the defaults; each value knows its source."""
    file = Path("embedstack.yaml").absolute()
    file.write_text("ports: {bridge: 1, ollama: 1, vllm: 1001}\nmodel: {id: a}")

    loaded = load(
        {"model.id": "d", "stack.mode": None},
        {"EMBEDSTACK_PORTS_BRIDGE": "2", "EMBEDSTACK_PORTS_OLLAMA": "2002", "EMBEDSTACK_MODEL_ID": "b"},
        assignments=["ports.bridge=3003", "model.id=c"],
    )

    ports = loaded.settings.ports
    assert (ports.bridge, ports.ollama, ports.vllm, ports.webui) == (3003, 2002, 1001, 3000)
    assert loaded.settings.model.id == "d"
    assert loaded.sources["model.id"] == "--model"
    assert loaded.sources["ports.bridge"] == "--set"
    assert loaded.sources["ports.ollama"] == "EMBEDSTACK_PORTS_OLLAMA"
    assert loaded.sources["ports.vllm"] == str(file)
    assert loaded.sources["stack.mode"] == "default"


def test_the_file_is_looked_for_here_then_in_the_users_folder(tmp_path: Path) -> None:
    """./embedstack.yaml is taken before the user's own; --config and EMBEDSTACK_CONFIG before both."""
    named = tmp_path / "named.yaml"
    named.write_text("ports: {webui: 3003}")
    user = tmp_path / "home" / "embedstack" / "embedstack.yaml"
    user.parent.mkdir(parents=True)
    user.write_text("ports: {webui: 3001}")
    assert load({}, {}).settings.ports.webui == 3001

    Path("embedstack.yaml").write_text("ports: {webui: 3002}")
    assert load({}, {}).settings.ports.webui == 3002

    variable = {"EMBEDSTACK_CONFIG": str(named)}
    assert load({}, variable).settings.ports.webui == 3003
    assert load({}, variable, file=Path("embedstack.yaml")).settings.ports.webui == 3002


def test_variables_that_are_no_settings_are_left_alone() -> None:
    """Folders, the key for another's bridge, and what Kubernetes sets for a Service called embedstack."""
    reserved = dict.fromkeys([*SCHEMA.reserved, "EMBEDSTACK_SERVICE_HOST", "EMBEDSTACK_PORT_80_TCP"], "x")

    assert load({}, reserved).settings == Settings()


def test_a_path_is_relative_to_its_file_or_to_where_it_was_typed(tmp_path: Path) -> None:
    """Every path comes out absolute: what the stack starts may run in another folder."""
    named = tmp_path / "named.yaml"
    named.write_text("hub: {cache: hub}")

    loaded = load({}, {"EMBEDSTACK_MODEL_CATALOG": "own.yaml"}, tmp_path / "work", file=named)

    assert loaded.settings.hub.cache == tmp_path / "hub"
    assert loaded.settings.model.catalog == tmp_path / "work" / "own.yaml"


@pytest.mark.parametrize("text", ["-1", "'-1'"])
def test_a_number_may_stand_for_text_where_it_means_one(text: str) -> None:
    """YAML makes a number of -1, and nobody should have to know that."""
    Path("embedstack.yaml").write_text(f"model: {{keep_alive: {text}}}")

    assert load({}, {}).settings.model.keep_alive == "-1"
    assert load({}, {"EMBEDSTACK_MODEL_KEEP_ALIVE": "-1"}).settings.model.keep_alive == "-1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ports: {webiu: 1}", "ports.webiu: unknown key; did you mean 'ports.webui'?"),
        ("prots: {webui: 1}", "prots: unknown section; did you mean 'ports'?"),
        ("stack: {mode: dockr}", "stack.mode: expected 'auto', 'docker' or 'native', got 'dockr'"),
        ("stack: {name: A B}", "stack.name: expected up to 40 of a-z, 0-9, _ and -, got 'A B'"),
        ("ports: {webui: 70000}", "ports.webui: expected an integer from 1 to 65535, got 70000"),
        ("ports: {webui: 8000}", "ports names one port twice ([11435, 11436, 11434, 8000, 8000])"),
        ("model: {keep_alive: soon}", "model.keep_alive: expected -1 (forever) or a duration such as '5m', got 'soon'"),
        ("engine: {kind: vllm}\nvllm: {beside: true}", "engine.kind 'vllm' and vllm.beside are both set"),
        ("ports: [", "line 1, column 9: "),
    ],
)
def test_an_error_in_the_file_names_file_key_value_and_what_is_allowed(text: str, problem: str) -> None:
    """Every mistake in the file is refused with what was found, what is allowed, and the way to all settings."""
    file = Path("embedstack.yaml").absolute()
    file.write_text(text)

    with pytest.raises(InvalidSettings) as refused:
        load({}, {})

    assert refused.value.message.startswith(f"{file}: {problem}")
    assert "embedstack config example" in refused.value.advice
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("flags", "variables", "assignments", "problem"),
    [
        ({"stack.mode": "x"}, {}, [], "--mode: stack.mode: expected 'auto', 'docker' or 'native', got 'x'."),
        ({"model.num_ctx": 3}, {}, [], "--num-ctx: model.num_ctx: expected an integer from 64 or null, got 3."),
        (
            {},
            {"EMBEDSTACK_PORT_WEBUI": "1"},
            [],
            "EMBEDSTACK_PORT_WEBUI: no such setting; did you mean 'EMBEDSTACK_PORTS_WEBUI'?",
        ),
        (
            {},
            {"EMBEDSTACK_ENGINE_CPU": "perhaps"},
            [],
            "EMBEDSTACK_ENGINE_CPU: engine.cpu: expected true or false, got 'perhaps'.",
        ),
        ({}, {}, ["ports.webui"], "--set: expected KEY=VALUE, got 'ports.webui'."),
        ({}, {}, ["port.webui=1"], "--set: port.webui: no such setting; did you mean 'ports.webui'?"),
        ({}, {"EMBEDSTACK_CONFIG": "/none.yaml"}, [], "EMBEDSTACK_CONFIG: no such file: /none.yaml."),
    ],
)
def test_an_error_in_a_variable_or_flag_names_it(
    flags: dict[str, object], variables: dict[str, str], assignments: list[str], problem: str
) -> None:
    """A mistake is refused by the variable or flag that made it."""
    with pytest.raises(InvalidSettings) as refused:
        load(flags, variables, assignments=assignments)

    assert refused.value.message == problem


def test_a_later_complaint_names_the_source() -> None:
    """What only the catalogue can judge is refused in the same form."""
    loaded = load({"model.id": "qwen"}, {})

    assert loaded.error("model.id", "no such model.").message == "--model: model.id: no such model."
