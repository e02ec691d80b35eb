"""The configuration: four layers, where each value came from, and errors that name what is wrong and where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedstack.bridge.settings import table
from embedstack.bridge.settings.load import ConfigError, Loaded, load
from embedstack.bridge.settings.structs import Settings
from embedstack.models import catalog

ANY = "0.0.0.0"  # noqa: S104 -- data: nothing is bound here

Read = Callable[..., Loaded]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of the machine or of this repository is in reach."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """`load` with the text of a file, variables and flags."""

    def run(*flags: str, file: str | None = None, **variables: str) -> Loaded:
        if file is None:
            return load(flags, variables)
        path = tmp_path / "bridge.yaml"
        path.write_text(file, encoding="utf-8")
        return load(["--config", str(path), *flags], variables)

    return run


# --- layers -----------------------------------------------------------------------------------------------------


def test_nothing_configured_is_the_4b_on_loopback(read: Read) -> None:
    """Without file, variable or flag every value is its default, and no engine is said to be configured."""
    loaded = read()

    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert (loaded.settings.listen.host, loaded.settings.listen.port) == ("127.0.0.1", 11435)
    assert loaded.settings.model.id == "qwen3-embedding:4b"
    assert loaded.settings.engine.configured is False
    assert loaded.action == "serve"


def test_a_stronger_layer_wins_and_says_so(read: Read, tmp_path: Path) -> None:
    """Flags beat the environment, the environment the file, the file the defaults; each value knows its source."""
    loaded = read(
        "--set",
        "engine.batch=4",
        file="engine: {batch: 2, attempts: 2, timeout: 2}",
        EMBED_BRIDGE_ENGINE_BATCH="3",
        EMBED_BRIDGE_ENGINE_ATTEMPTS="3",
    )

    engine = loaded.settings.engine
    assert (engine.batch, engine.attempts, engine.timeout, engine.connect_timeout) == (4, 3, 2.0, 5.0)
    assert loaded.sources["engine.batch"] == "--set"
    assert loaded.sources["engine.attempts"] == "EMBED_BRIDGE_ENGINE_ATTEMPTS"
    assert loaded.sources["engine.timeout"] == str(tmp_path / "bridge.yaml")
    assert loaded.sources["engine.connect_timeout"] == "default"


def test_the_file_is_looked_for_here_then_in_the_users_folder(read: Read, tmp_path: Path) -> None:
    """./embed-bridge.yaml is taken before the user's own; --config and EMBED_BRIDGE_CONFIG before both."""
    named = tmp_path / "named.yaml"
    named.write_text("engine: {batch: 3}")
    user = tmp_path / "home" / "embedstack" / "embed-bridge.yaml"
    user.parent.mkdir(parents=True)
    user.write_text("engine: {batch: 1}")
    assert read().settings.engine.batch == 1

    Path("embed-bridge.yaml").write_text("engine: {batch: 2}")
    assert read().settings.engine.batch == 2

    assert read(EMBED_BRIDGE_CONFIG=str(named)).settings.engine.batch == 3
    assert read("--config", "embed-bridge.yaml", EMBED_BRIDGE_CONFIG=str(named)).settings.engine.batch == 2


@pytest.mark.parametrize(
    ("flags", "variables", "source"),
    [(["--config", "none.yaml"], {}, "--config"), ([], {"EMBED_BRIDGE_CONFIG": "none.yaml"}, "EMBED_BRIDGE_CONFIG")],
)
def test_a_file_that_is_named_must_exist(flags: list[str], variables: dict[str, str], source: str) -> None:
    """A file asked for by name is never silently left out."""
    with pytest.raises(ConfigError, match=rf"{source}: no such file: none\.yaml"):
        load(flags, variables)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "engine:\n", "{}"])
def test_an_empty_file_or_section_changes_nothing(read: Read, text: str) -> None:
    """A file of comments, and a section with nothing below it, leave every default."""
    assert read(file=text).settings == Settings()


def test_a_list_or_mapping_replaces_the_weaker_one(read: Read) -> None:
    """Lists and mappings are not merged: what the strongest layer says is all there is."""
    loaded = read(file="model: {aliases: {a: x, b: y}}", EMBED_BRIDGE_MODEL_ALIASES="{c: 'qwen3-embedding:4b@query'}")

    assert loaded.settings.model.aliases == {"c": "qwen3-embedding:4b@query"}


# --- how values are written -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("listen.port", "0", 0),
        ("engine.url", "null", None),
        ("engine.model", "", None),
        ("engine.api_key", "0123", "0123"),
        ("engine.timeout", "1.5", 1.5),
        ("limits.body_bytes", "3MiB", 3 * 2**20),
        ("limits.body_bytes", "1.5 kB", 1500),
        ("limits.body_bytes", "123", 123),
        ("security.allowed_hosts", "bridge, chat.example.org", ("bridge", "chat.example.org")),
        ("security.allowed_hosts", "[bridge]", ("bridge",)),
        ("security.allowed_hosts", "", ()),
        ("requests.keep_alive", "1h30m", "1h30m"),
        ("requests.keep_alive", "-1", -1.0),
        ("prompts.default", "yes", "yes"),
        ("prompts.special_tokens", "neutralise", "neutralise"),
        ("prompts.tasks", "{notes: null}", {"notes": None}),
        ("engine.gguf", "m.gguf", Path("m.gguf")),
    ],
)
def test_a_value_reads_the_same_from_variable_and_flag(read: Read, key: str, text: str, value: Any) -> None:
    """Text stands as it is, anything else is YAML, a list may have commas and a size a unit."""
    section, name = key.split(".")

    by_flag = read("--set", f"{key}={text}").settings
    by_variable = read(**{f"EMBED_BRIDGE_{section}_{name}".upper(): text}).settings

    assert getattr(getattr(by_flag, section), name) == value
    assert by_flag == by_variable


def test_a_path_in_a_file_is_relative_to_the_file(read: Read, tmp_path: Path) -> None:
    """A file may be moved with what it names; a path in a variable is relative to the current folder."""
    (tmp_path / "key").write_text("  secret\n")
    loaded = read(
        file="engine: {gguf: models/m.gguf}\nsecurity: {api_keys: [{name: a, key_file: key}]}",
        EMBED_BRIDGE_MODEL_CATALOG="own.yaml",
    )

    assert loaded.settings.engine.gguf == tmp_path / "models" / "m.gguf"
    assert loaded.settings.security.api_keys[0].key == "secret"
    assert loaded.settings.model.catalog == Path("own.yaml")


def test_a_home_folder_is_expanded(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """~ means the home folder in every layer."""
    monkeypatch.setenv("HOME", "/home/someone")

    for loaded in (read(file="engine: {gguf: ~/m.gguf}"), read("--set", "engine.gguf=~/m.gguf")):
        assert loaded.settings.engine.gguf == Path("/home/someone/m.gguf")


# --- flags ------------------------------------------------------------------------------------------------------


def test_demo_chooses_engine_and_model(read: Read) -> None:
    """--demo is the embedded engine with the model demo, whatever the file says of engine and precision."""
    loaded = read("--demo", file="engine: {kind: ollama, url: 'http://gpu:11434'}\nmodel: {precision: Q8_0}")

    engine, model = loaded.settings.engine, loaded.settings.model
    assert (engine.kind, engine.url, model.id, model.precision) == ("embedded", None, "demo", None)
    assert loaded.sources["model.id"] == "--demo"


def test_gguf_chooses_the_embedded_engine(read: Read) -> None:
    """--gguf PATH is the embedded engine with that file, instead of a configured upstream."""
    engine = read("--gguf", "m.gguf", file="engine: {url: 'http://gpu:11434'}").settings.engine

    assert (engine.kind, engine.url, engine.gguf) == ("embedded", None, Path("m.gguf"))


def test_upstream_replaces_the_engine_and_its_key(read: Read) -> None:
    """--upstream URL leaves the kind to be found out, and never sends another URL's key there."""
    file = "engine: {kind: openai, url: 'http://old', api_key: k, model: m}"
    engine = read("--upstream", "http://new:8000", file=file).settings.engine

    assert (engine.kind, engine.url, engine.api_key, engine.model) == (None, "http://new:8000", None, None)


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        (("--demo",), ("embedded", None, None)),
        (("--gguf", "m.gguf"), ("embedded", None, Path("m.gguf"))),
        (("--upstream", "http://new"), (None, "http://new", None)),
    ],
    ids=lambda value: value[0],
)
def test_a_flag_that_chooses_the_engine_replaces_a_pool_and_its_key(
    read: Read, flags: tuple[str, ...], chosen: tuple[str | None, str | None, Path | None]
) -> None:
    """One engine in place of several; the key that was for all of them is sent to no other."""
    loaded = read(*flags, file="pool: {upstreams: ['http://a', 'http://b']}\nengine: {api_key: k}")

    engine = loaded.settings.engine
    assert (engine.kind, engine.url, engine.gguf) == chosen
    assert (loaded.settings.pool.upstreams, engine.api_key) == ((), None)
    assert loaded.sources["pool.upstreams"] == flags[0]


def test_upstream_keeps_a_key_given_for_it_and_yields_to_set(read: Read) -> None:
    """A key without a URL of its own is for the upstream; --set says more about the engine that --upstream chose."""
    flags = ("--upstream", "http://new", "--set", "engine.kind=openai", "--set", "engine.model=m")
    engine = read(*flags, EMBED_BRIDGE_ENGINE_API_KEY="k").settings.engine

    assert (engine.kind, engine.url, engine.api_key, engine.model) == ("openai", "http://new", "k", "m")


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [(f"{ANY}:80", ANY, 80), (":8080", ANY, 8080), ("[::1]:9", "::1", 9), ("localhost:0", "localhost", 0)],
)
def test_listen_takes_host_and_port(read: Read, given: str, host: str, port: int) -> None:
    """--listen sets both; without a host it means every address."""
    listen = read("--listen", given).settings.listen

    assert (listen.host, listen.port) == (host, port)


@pytest.mark.parametrize(
    ("flags", "action"), [([], "serve"), (["--print-config"], "print-config"), (["--version"], "version")]
)
def test_the_action_is_what_the_flags_ask_for(flags: list[str], action: str) -> None:
    """Without a verb it serves."""
    assert load(flags, {}).action == action


def test_help_has_examples_and_the_ways_to_an_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names the three ways to an engine, with an example of each, and where every other setting is."""
    with pytest.raises(SystemExit) as ended:
        load(["--help"], {})

    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for part in ("embed-bridge --demo", "embed-bridge --gguf ", "embed-bridge --upstream http", "embed-bridge.example"):
        assert part in shown


# --- what is not a setting, and what proves wrong later ---------------------------------------------------------


def test_a_later_complaint_names_the_source(read: Read) -> None:
    """What only the catalogue can judge is refused in the same form."""
    loaded = read("--set", "prompts.style=qwen")

    assert str(loaded.error("prompts.style", "no such style")) == "--set: prompts.style: no such style"


def test_variables_that_kubernetes_sets_are_not_settings() -> None:
    """A Service named embed-bridge puts variables of its own into every pod."""
    links = {
        "EMBED_BRIDGE_SERVICE_HOST": "10.0.0.1",
        "EMBED_BRIDGE_SERVICE_PORT": "11435",
        "EMBED_BRIDGE_SERVICE_PORT_HTTP": "11435",
        "EMBED_BRIDGE_PORT": "tcp://10.0.0.1:11435",
        "EMBED_BRIDGE_PORT_11435_TCP_ADDR": "10.0.0.1",
    }

    assert load([], links).settings == Settings()


# --- keys and warnings ------------------------------------------------------------------------------------------


def test_keys_come_from_text_files_and_variables(read: Read, tmp_path: Path) -> None:
    """A key written as text gets a name; the others are read from where they are said to be."""
    (tmp_path / "key").write_text("from-file\n")
    file = "security: {api_keys: [plain, {name: f, key_file: key}, {name: v, key_env: MY_KEY}]}"

    keys = read(file=file, MY_KEY="from-variable").settings.security.api_keys

    assert [(key.name, key.key) for key in keys] == [("key1", "plain"), ("f", "from-file"), ("v", "from-variable")]


@pytest.mark.parametrize(
    ("host", "keys", "warned"),
    [
        ("127.0.0.1", "", False),
        ("127.9.9.9", "", False),
        ("::1", "", False),
        ("localhost", "", False),
        (ANY, "", True),
        ("::", "", True),
        ("192.168.1.5", "", True),
        ("gpu-box", "", True),
        (ANY, "k", False),
    ],
)
def test_an_open_listener_without_keys_is_warned_of(read: Read, host: str, keys: str, warned: bool) -> None:
    """Whatever others can reach should ask for a key; it is allowed, since a container must bind every address."""
    settings = read(EMBED_BRIDGE_LISTEN_HOST=host, EMBED_BRIDGE_SECURITY_API_KEYS=keys).settings

    assert [f"listening on {host} without an API key" in warning for warning in settings.warnings()] == [True] * warned


# --- printing ---------------------------------------------------------------------------------------------------


def test_print_config_shows_every_key_its_value_and_source(read: Read) -> None:
    """One line a key: value as YAML, source behind it."""
    lines = read("--demo", EMBED_BRIDGE_LISTEN_PORT="80").render().splitlines()

    assert [line.partition(":")[0] for line in lines] == list(table())
    assert [
        " ".join(line.split()) for line in lines if line.startswith(("listen.port", "model.id", "limits.body_b"))
    ] == [
        "listen.port: 80 # EMBED_BRIDGE_LISTEN_PORT",
        "model.id: demo # --demo",
        "limits.body_bytes: 64 MiB # default",
    ]


def test_print_config_as_json(read: Read) -> None:
    """--json gives the same as an object by key."""
    shown = json.loads(read("--print-config", "--json", "--gguf", "m.gguf").render())

    assert list(shown) == list(table())
    assert shown["engine.gguf"] == {"value": "m.gguf", "source": "--gguf"}


@pytest.mark.parametrize("flags", [[], ["--print-config", "--json"]])
def test_print_config_never_shows_a_secret(read: Read, flags: list[str]) -> None:
    """Keys and a password in a URL are masked, in both forms."""
    variables = {
        "EMBED_BRIDGE_ENGINE_API_KEY": "hunter2",
        "EMBED_BRIDGE_ENGINE_URL": "https://me:hunter2@gpu:1",
        "EMBED_BRIDGE_SECURITY_API_KEYS": "hunter2",
    }
    shown = read(*flags, **variables).render()

    assert "hunter2" not in shown
    assert "https://********@gpu:1" in shown


# --- what the settings say --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://x:1", "http://x:1/", "http://x:1/v1", "http://x:1/v1/"])
def test_a_v1_at_the_end_of_the_url_does_no_harm(read: Read, url: str) -> None:
    """OpenAI clients write /v1 into their base URL; it is taken off."""
    assert read("--upstream", url).settings.engine.base_url == "http://x:1"


@pytest.mark.parametrize("text", ["kind: ollama", "url: 'http://x'", "gguf: m.gguf"])
def test_an_engine_is_configured_by_kind_url_or_gguf(read: Read, text: str) -> None:
    """Any of the three means that no engine is to be looked for."""
    assert read(file=f"engine: {{{text}}}").settings.engine.configured


def test_own_tasks_add_to_and_replace_the_catalogues(read: Read) -> None:
    """A bare instruction keeps the built-in task's symmetry, null takes the prefix away, a mapping says both."""
    built_in = catalog.load().tasks
    file = """
    prompts:
      tasks:
        clustering: Group tickets by product
        sts: null
        tickets: {instruction: Identify the product, symmetric: true}
        faq: Find the answer
    """
    tasks = read(file=file).settings.prompts.merged(built_in)

    assert tasks["query"] == built_in["query"]
    assert {
        name: (tasks[name].instruction, tasks[name].symmetric) for name in tasks if tasks[name] != built_in.get(name)
    } == {
        "clustering": ("Group tickets by product", True),
        "sts": (None, False),
        "tickets": ("Identify the product", True),
        "faq": ("Find the answer", False),
    }
