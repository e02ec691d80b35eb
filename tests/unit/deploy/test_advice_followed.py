"""An advice is taken out of what a command prints, followed as it stands there, and works.

Of `up` it is followed by a dry run, which refuses all that `up` would refuse and starts nothing; the stack that is
brought up for real is in tests/integration/stack/test_first_up.py.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedstack.bridge.settings import load as bridge_config
from embedstack.bridge.settings.load import ConfigError
from embedstack.deploy import flags, record, secrets
from embedstack.deploy.doctor import disk, needs
from embedstack.deploy.doctor.disk import Need
from embedstack.deploy.flags import Flag, Remembered
from embedstack.deploy.machine import gpu, ports
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.machine.memory import Memory
from embedstack.deploy.places import places
from embedstack.deploy.plan.plan import Mode
from embedstack.deploy.record import Record
from embedstack.host.addresses import LOOPBACK
from embedstack.models.demo.build import DemoFiles, default_folder
from tests.engines.process import free_port
from tests.followed import Advice, Said, good, refused, typed

PLAIN = ("--no-webui", "--mode", "native")
DRY = ("up", "--dry-run", *PLAIN)
DEMO = (*DRY, "--model", "demo")
WEBUI = ("up", "--dry-run", "--webui", "--mode", "native", "--model", "demo")
LARGE = "qwen3-embedding:4b"
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: Patch) -> Path:
    """Nothing of the machine is in reach but the demo model: no settings, stack, Hub, Docker, GPU or program."""
    (work := tmp_path / "work").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(default_folder().parent)
    monkeypatch.chdir(work)
    for name in ("OLLAMA_HOST", "OLLAMA_KV_CACHE_TYPE", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "EMBEDSTACK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("COLUMNS", "4000")
    for part in ("BRIDGE", "BRIDGE_BF16", "OLLAMA", "VLLM", "WEBUI"):
        monkeypatch.setenv(f"EMBEDSTACK_PORTS_{part}", str(free_port()))
    monkeypatch.setattr(gpu, "look", Gpus)
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process has."""
    with socket.create_server((LOOPBACK, free_port())) as server:
        yield int(server.getsockname()[1])


def _file(text: str) -> None:
    Path("embedstack.yaml").write_text(text)


def _never_up(name: str = "embedstack", mode: Mode = "native") -> Record:
    """The record of a stack, none of whose parts runs."""
    made = Record(name, mode, "demo", "f16", 2560, "embedded", True, None, "http://127.0.0.1:9", None, proved=True)
    record.write(places(name), made)
    return made


# --- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["embedstack", "two"])
def test_the_port_that_is_advised_is_free(taken: int, stack: str) -> None:
    """For the same stack, with all that was typed; the message is gone."""
    words = (*DEMO, "--stack", stack, "--set", f"ports.bridge={taken}")

    advised = refused("or choose another port, which the stack keeps", *words)
    planned = json.loads(good(*advised.command(), "--dry-run", "--json").text)["data"]

    assert (planned["stack"], planned["model"], planned["parts"]) == (stack, "demo", ["bridge"])


def test_the_port_that_is_advised_to_the_demo_is_free(taken: int) -> None:
    """Also to who has followed before, and found that port taken meanwhile."""
    advised = int(refused("embedstack demo --port", "demo", "--port", str(taken)).command()[-1])

    with socket.create_server((LOOPBACK, advised)):
        again = int(refused("embedstack demo --port", "demo", "--port", str(advised)).command()[-1])
    ports.ensure_free(again, "")

    assert len({taken, advised, again}) == 3


@pytest.mark.parametrize("words", [DRY, ("model", "verify"), ("model", "pull", "--offline")])
def test_the_list_of_models_has_one_that_is_known(words: tuple[str, ...]) -> None:
    """For every verb that takes a name."""
    named = "--model" if words is DRY else ""
    listed = good(*refused("embedstack model list` shows what there is", *words, *named.split(), "nope").command())

    assert "demo" in listed.text
    good(*DEMO)


@pytest.mark.parametrize(
    "words", [("status",), ("logs",), ("restart",), ("down",), ("webui", "status"), ("webui", "open")]
)
@pytest.mark.parametrize("stack", ["embedstack", "two"])
def test_what_brings_a_stack_up_is_for_the_one_that_was_named(words: tuple[str, ...], stack: str) -> None:
    """Each verb that finds none says the same."""
    advised = refused("embedstack up` brings one up", *words, "--stack", stack)

    planned = json.loads(good(*advised.command(), *PLAIN, "--model", "demo", "--dry-run", "--json").text)["data"]

    assert planned["stack"] == stack


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("status",), "It does not run; `embedstack up` starts it."),
        (("restart",), "Run `embedstack up`."),
        (("webui", "status"), "`embedstack up --webui` starts it."),
        (("webui", "apply"), "`embedstack up --webui` starts it."),
        (("webui", "password"), "`embedstack up --webui` brings it up."),
    ],
)
@pytest.mark.parametrize("stack", ["embedstack", "two"])
def test_what_starts_a_stack_that_is_down_starts_the_part_too(
    words: tuple[str, ...], fragment: str, stack: str
) -> None:
    """Of the stack that was named, as it was brought up."""
    _never_up(stack)
    secrets.ensure(places(stack), lambda _: None)
    flags.write(
        places(stack), Remembered({"model.id": Flag("demo", "--model"), "webui.enabled": Flag(False, "--no-webui")})
    )

    advised = refused(fragment, *words, "--stack", stack)
    planned = json.loads(good(*advised.command(), "--mode", "native", "--dry-run", "--json").text)["data"]

    assert (planned["stack"], planned["model"]) == (stack, "demo")
    assert ("open-webui" in planned["parts"]) == ("--webui" in fragment)


def test_what_makes_secrets_makes_them() -> None:
    """`up` makes them before anything is started."""
    good(*refused("embedstack up` makes them", "config", "secrets").command(), *PLAIN, "--model", "demo", "--dry-run")
    secrets.ensure(places("embedstack"), lambda _: None)

    good("config", "secrets")


def test_damaged_secrets_are_moved_away() -> None:
    """Which file is said; without it there are none, and `up` makes new ones."""
    kept = places("embedstack")
    secrets.ensure(kept, lambda _: None)
    kept.secrets.write_bytes(b"\xff")

    advised = refused("then makes new secrets", "config", "secrets")
    advised.path("move").rename("away")

    assert refused("embedstack up` makes them", "config", "secrets").command() == advised.command()
    secrets.ensure(kept, lambda _: None)
    good("config", "secrets")


def test_a_record_that_is_damaged_does_not_stop_up() -> None:
    """`up` plans without it."""
    _never_up()
    places("embedstack").plan.write_bytes(b"{")

    advised = refused("puts it aside and writes it again", "status")

    good(*advised.command(), *PLAIN, "--model", "demo", "--dry-run")


@pytest.mark.process
def test_flags_of_before_are_forgotten() -> None:
    """Where the file of --config is gone, and where what was remembered is damaged."""
    gone = Remembered({"model.id": Flag("demo", "--model")}, str(Path("gone.yaml").absolute()), named=True)
    for content in (None, b"{"):
        flags.write(places("embedstack"), gone)
        if content:
            places("embedstack").flags.write_bytes(content)

        advised = refused("by the flags that it is given, and by none of before", *DEMO)

        assert "--forget" in advised.command()
        good(*advised.command(), "--dry-run")


def test_the_file_of_before_is_put_back_or_another_named() -> None:
    """Either is enough."""
    gone = Remembered({"model.id": Flag("demo", "--model")}, str(Path("gone.yaml").absolute()), named=True)
    flags.write(places("embedstack"), gone)
    advised = refused("Put it back, or name another with --config", *DRY)

    Path("other.yaml").write_text("")
    good(*DRY, advised.flag("--config"), "other.yaml")
    Path("gone.yaml").write_text("")
    good(*DRY)


def test_data_go_with_a_yes() -> None:
    """And with nothing less."""
    root = places(_never_up().stack).root

    advised = refused("Say --yes if the data are to go", "down", "--volumes", "--json")
    assert root.is_dir()
    good("down", "--volumes", advised.flag("--yes"))

    assert not root.exists()


def test_a_modelfile_is_printed(demo: DemoFiles) -> None:
    """Of the very file, by the command that is named for it."""
    said = good("model", "modelfile", str(demo.gguf))

    assert "FROM" in said.text


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["ports.wbui=3", "ports.webui=0", "model.dimensions=7", "engine.kind=podman"])
def test_the_example_names_what_is_allowed(wrong: str) -> None:
    """As a file that can be used as it is, with the setting's name in it."""
    advised = refused("prints every setting with what it allows", *DEMO, "--set", wrong)

    printed = typed(*advised.command()).text
    _file(printed)

    assert set(yaml.safe_load(printed)) >= {"ports", "model", "stack"}
    good(*DEMO)


def test_what_config_set_has_written_holds() -> None:
    """The command that it ends with brings the stack to it."""
    said = good("config", "set", "model.num_ctx", "2048", "webui.enabled", "false", "model.id", "demo")

    planned = good(*said.advised("brings the stack to it").command(), "--mode", "native", "--dry-run")

    assert "num_ctx 2048" in planned.text


def test_another_settings_file_is_named(monkeypatch: Patch, tmp_path: Path) -> None:
    """By the flag, and by the variable."""
    words = ("config", "set", "ports.webui", "8081")
    advised = refused("Name another file with --config", *words, "--config", "/proc/none/embedstack.yaml")

    good(*words, advised.flag("--config"), str(tmp_path / "flag.yaml"))
    monkeypatch.setenv(advised.variable("EMBEDSTACK_CONFIG"), str(tmp_path / "variable.yaml"))
    good(*words)

    assert (tmp_path / "flag.yaml").read_text() == (tmp_path / "variable.yaml").read_text()


def test_another_home_is_named(monkeypatch: Patch, tmp_path: Path) -> None:
    """The variable that is printed, with a folder that can be written: before `up`, and where a file is not a file."""
    monkeypatch.setenv("EMBEDSTACK_HOME", "/proc/none")
    name = refused("or name another: 77.", *DEMO).variable("EMBEDSTACK_HOME")
    monkeypatch.setenv(name, str(tmp_path / "usable"))
    good(*DEMO)

    (places("embedstack").root / "secrets.lock").mkdir(parents=True)
    places("embedstack").secrets.write_text("")
    advised = refused("Make the folder yours, or name another in EMBEDSTACK_HOME", "config", "secrets")
    monkeypatch.setenv(advised.variable("EMBEDSTACK_HOME"), str(tmp_path / "other"))
    secrets.ensure(places("embedstack"), lambda _: None)
    good("config", "secrets")


@pytest.mark.parametrize("words", [DEMO, ("status",)])
def test_a_home_that_cannot_be_read_is_named(words: tuple[str, ...], monkeypatch: Patch, tmp_path: Path) -> None:
    """With another one the message is gone."""
    (stacks := places("embedstack").root.parent).mkdir(parents=True)
    (stacks / "embedstack").write_text("a file where the stack's folder should be")

    advised = refused("Make it yours, or name another folder in EMBEDSTACK_HOME", *words)
    monkeypatch.setenv(advised.variable("EMBEDSTACK_HOME"), str(tmp_path / "usable"))
    _never_up()

    assert "EMBEDSTACK_HOME" not in typed(*words).text


def test_a_context_that_a_model_was_trained_for_is_named() -> None:
    """The number that is printed."""
    said = typed(*DEMO, "--num-ctx", "99999")
    said.advised("and 77 was trained for 77")

    good(*DEMO, "--num-ctx", said.text.rpartition("Take ")[2].strip(" .\n"))


def test_dimensions_that_a_model_can_give_are_named() -> None:
    """The range that is printed, at both of its ends."""
    said = typed(*DEMO, "--set", "model.dimensions=2561")
    advised = said.advised("and 77 can give 77 to 77")

    for size in advised.text.rpartition("can give ")[2].strip(" .").split(" to "):
        good(*DEMO, "--set", f"model.dimensions={size}")


def test_without_docker_the_native_mode_is_taken() -> None:
    """The flag that is printed in place of the one that was typed."""
    words = ("up", "--dry-run", "--no-webui", "--model", "demo", "--mode")

    advised = refused("`sudo usermod -aG docker $USER` and sign in again", *words, "docker")

    good(*words[:-1], *advised.words("--mode"))


def test_an_engine_that_does_not_answer_is_taken_out() -> None:
    """The setting that is named."""
    _file("engine: {url: 'http://127.0.0.1:9'}")
    advised = refused("or take engine.url out of the settings", *DEMO)

    section, _, key = advised.setting("engine.url").partition(".")
    _file(yaml.safe_dump({section: {name: 1 for name in () if name != key}}))

    good(*DEMO)


@pytest.mark.process
def test_open_webui_is_exposed_once_it_has_an_administrator() -> None:
    """First as it is printed; what is then to be said again is what was asked for."""
    words = (*WEBUI, "--expose", "webui")

    advised = refused("embedstack up --expose none` makes the administrator", *words)
    planned = json.loads(good(*advised.command(), "--dry-run", "--json").text)["data"]

    assert planned["parts"] == ["bridge", "open-webui"]
    again = advised.commands()[-1]
    assert again[again.index("--expose") + 1] == "webui"


@pytest.mark.process
@pytest.mark.parametrize("followed", ["webui.python", "--no-webui"])
def test_a_python_for_open_webui_is_named(followed: str) -> None:
    """With the path of one that fits, or without Open WebUI."""
    words = (*WEBUI, "--set", "webui.python=/bin/true")
    if followed == "--no-webui":
        good(*words, followed)
        return

    advised = refused("Name one that does: `embedstack config set webui.python", *words)
    good(*(word.replace("/path/to/python3.12", sys.executable) for word in advised.command()))

    good(*WEBUI)


@pytest.mark.parametrize("key", ["security.admin_key", "pool.upstreams", "engine.url"])
def test_what_the_stack_sets_itself_is_taken_out_of_the_bridges_file(key: str) -> None:
    """The key that is printed."""
    section, _, name = key.partition(".")
    values = {"pool.upstreams": ["http://127.0.0.1:9"]}
    document: dict[str, Any] = {section: {name: values.get(key, "http://127.0.0.1:9")}}
    Path("bridge.yaml").write_text(yaml.safe_dump(document))
    words = (*DEMO, "--set", "bridge.config=bridge.yaml")

    said = typed(*words)
    said.advised("which bridge.config names, sets 77.77")
    section, _, name = said.text.rpartition("Take ")[2].partition(" out of it")[0].partition(".")
    del document[section][name]
    Path("bridge.yaml").write_text(yaml.safe_dump(document))

    good(*words)


@pytest.mark.parametrize("content", [None, "{", "\ta: 1"])
def test_a_bridges_file_that_cannot_be_read_is_put_right(content: str | None) -> None:
    """Missing, or no YAML."""
    if content:
        Path("bridge.yaml").write_text(content)
    words = (*DEMO, "--set", "bridge.config=bridge.yaml")
    fragment = "which bridge.config names, is not YAML" if content else "Put bridge.config right."

    refused(fragment, *words).setting("bridge.config")
    Path("bridge.yaml").write_text("")

    good(*words)


@pytest.mark.parametrize("kept", [("--engine", "vllm"), ("--set", "vllm.beside=true")])
def test_one_of_two_that_contradict_is_removed(kept: tuple[str, ...]) -> None:
    """Either; the blocker then is that there is no vLLM here, and no longer the two."""
    said = typed(*DEMO, "--engine", "vllm", "--set", "vllm.beside=true")
    advised = said.advised("engine.kind 'vllm' and vllm.beside are both set")

    assert advised.text not in typed(*DEMO, *kept).text


@pytest.mark.process
@pytest.mark.parametrize(
    ("given", "fragment", "follow"),
    [
        (
            ("webui.vector_store_url=http://h",),
            "webui.vector_store is chroma, which is inside Open WebUI",
            lambda _: (),
        ),
        (("webui.vector_store=qdrant",), "or leave webui.vector_store as it is", lambda _: ()),
        (
            ("webui.vector_store=qdrant",),
            "Name one that runs in webui.vector_store_url",
            lambda one: ("webui.vector_store=qdrant", f"{one.setting('webui.vector_store_url')}=SERVER"),
        ),
        (
            ("webui.vector_store=qdrant", "webui.vector_store_url=http://127.0.0.1:9"),
            "Start it, or put webui.vector_store_url right",
            lambda one: ("webui.vector_store=qdrant", f"{one.setting('webui.vector_store_url')}=SERVER"),
        ),
        (
            ("webui.vector_store=qdrant", "webui.vector_store_url=http://u:p@SERVER"),
            "name it in webui.vector_store_key_file",
            lambda one: (
                "webui.vector_store=qdrant",
                "webui.vector_store_url=SERVER",
                f"{one.setting('webui.vector_store_key_file')}=key",
            ),
        ),
    ],
)
def test_a_store_of_vectors_is_put_right(
    given: tuple[str, ...], fragment: str, follow: Callable[[Advice], tuple[str, ...]], taken: int
) -> None:
    """By the setting that is printed; a server that listens is all that is asked for before `up`."""
    Path("key").write_text("password\n")

    def words(settings: tuple[str, ...]) -> list[str]:
        at = f"{LOOPBACK}:{taken}"
        full = (one.replace("http://u:p@SERVER", f"http://u:p@{at}") for one in settings)
        return [word for one in full for word in ("--set", one.replace("SERVER", f"http://{at}"))]

    advised = refused(fragment, *WEBUI, *words(given))

    good(*WEBUI, *words(follow(advised)))


@pytest.mark.process
def test_fewer_dimensions_fit_pgvector(taken: int) -> None:
    """The setting and the number that are printed."""
    store = (
        "--set",
        "webui.vector_store=pgvector",
        "--set",
        f"webui.vector_store_url=postgresql://a@{LOOPBACK}:{taken}/d",
    )
    words = (*WEBUI[:-1], "qwen3-embedding:8b", "--cpu", *store)

    advised = refused("Take fewer of them, which the bridge cuts and normalises", *words)

    assert "dimensions" not in typed(*words, *advised.words("--set")).text


def test_another_cache_is_named(monkeypatch: Patch, tmp_path: Path) -> None:
    """Where the demo model cannot be built."""
    monkeypatch.setenv("EMBEDSTACK_CACHE", "/proc/none")

    advised = refused("or set EMBEDSTACK_CACHE to a folder that you may write to", "model", "demo")
    monkeypatch.setenv(advised.variable("EMBEDSTACK_CACHE"), str(tmp_path / "cache"))

    good("model", "demo")


# --- findings of the doctor -----------------------------------------------------------------------------------------


def _found(fragment: str, *words: str) -> Advice:
    return typed("doctor", *PLAIN, *words).advised(fragment)


def _gone(advised: Advice, *words: str) -> None:
    said = typed("doctor", *PLAIN, *words)
    assert advised.text not in said.text, said.text


@pytest.mark.parametrize("flag", ["--cpu", "--model"])
def test_a_large_model_on_the_cpu_is_meant_or_a_smaller_one_taken(flag: str) -> None:
    """Each way that is printed."""
    advised = _found("says that it is meant; else a smaller model", "--model", LARGE)

    _gone(advised, "--model", LARGE, *advised.words(flag))


@pytest.mark.parametrize(
    ("words", "available"),
    [
        (("--model", LARGE, "--cpu", "--num-ctx", "32768", "--webui"), (0.3, 1.2, 3, 6)),
        (("--model", LARGE, "--cpu", "--quantisation", "Q8_0", "--no-webui"), (0.3, 1.2, 3)),
        (("--model", "qwen3-embedding:0.6b", "--webui"), (0.3, 1.2, 2)),
        (("--model", "demo", "--num-ctx", "2048", "--webui"), (0.01, 0.3)),
    ],
)
def test_what_fits_the_memory_fits(words: tuple[str, ...], available: tuple[float, ...], monkeypatch: Patch) -> None:
    """Each choice of flags that is printed, at each size in GiB; where there is none, nothing smaller is advised."""
    for gib in available:
        seen = Memory(64 * 2**30, int(gib * 2**30))
        monkeypatch.setattr("embedstack.deploy.machine.memory.look", lambda seen=seen: seen)
        said = typed("doctor", "--mode", "native", *words)
        advised = said.advised("End something large")

        for choice in advised.choices():
            assert not {*choice} & {word for word in words if word.startswith("qwen3")}
            assert "MEMORY-SHORT" not in typed("doctor", "--mode", "native", *words, *choice).text
        assert bool(advised.choices()) == (gib > min(available)), advised.text


def test_the_hubs_files_go_to_another_disk(monkeypatch: Patch, tmp_path: Path) -> None:
    """The setting that is printed, with a folder that has room."""
    (roomy := tmp_path / "roomy").mkdir()

    plain = disk.look

    def look(what: str, folder: Path, *given: Any, **more: Any) -> Need:
        other = folder.is_relative_to(roomy)
        return replace(plain(what, folder, *given, **more), free=10**12 if other else 10**9, disk=int(other))

    monkeypatch.setattr(needs, "look", look)
    said = typed("doctor", *PLAIN, "--model", LARGE, "--cpu")
    advised = said.advised("`--set hub.cache=FOLDER`")
    assert "DISK-FULL" in said.text
    assert "EMBEDSTACK_HOME" not in said.text  # nothing is to come there

    words = [word.replace("FOLDER", str(roomy)) for word in advised.words("--set")]

    assert "DISK-FULL" not in typed("doctor", *PLAIN, "--model", LARGE, "--cpu", *words).text


# --- embed-bridge ---------------------------------------------------------------------------------------------------


def _bridge(*settings: str, flags: tuple[str, ...] = ()) -> str:
    """What `embed-bridge` says against these settings, and of them."""
    argv = [*flags, *(part for one in settings for part in ("--set", one))]
    try:
        return "\n".join(bridge_config.load(argv, {}).settings.warnings())
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize(
    ("given", "fragment", "followed"),
    [
        (
            ("engine.kind=openai",),
            "engine.kind 'openai' needs engine.url",
            ("engine.kind=openai", "engine.url=http://h"),
        ),
        (
            ("pool.upstreams=[http://h]", "engine.url=http://i"),
            "pool.upstreams and engine.url (or an embedded engine) are both set",
            ("pool.upstreams=[http://h]",),
        ),
        (
            ("pool.upstreams=[http://h, http://h/]",),
            "pool.upstreams names one URL twice",
            ("pool.upstreams=[http://h]",),
        ),
        (
            ("listen.host=0.0.0.0",),
            "Set security.api_keys, or listen on 127.0.0.1",
            ("listen.host=0.0.0.0", "security.api_keys=[a-key-of-some-length-1234]"),
        ),
        (("listen.host=0.0.0.0",), "Set security.api_keys, or listen on 127.0.0.1", ("listen.host=127.0.0.1",)),
        (("trace.text=true", "trace.records=0"), "with trace.records 0", ("trace.records=0",)),
        (("cache.scope=key",), "without security.api_keys: all clients share the cache", ()),
        (
            ("pool.upstreams=[http://h]", "engine.threads=2"),
            "with pool.upstreams",
            ("pool.upstreams=[http://h]",),
        ),
        (
            ("security.allowed_hosts=['*']",),
            "lets any web page in; set security.api_keys too",
            ("security.allowed_hosts=['*']", "security.api_keys=[a-key-of-some-length-1234]"),
        ),
        (
            ("security.allowed_origins=['https://*']",),
            "lets any web page in; set security.api_keys too",
            ("security.allowed_origins=['https://chat.example.org']",),
        ),
    ],
)
def test_a_setting_of_the_bridge_is_put_right(given: tuple[str, ...], fragment: str, followed: tuple[str, ...]) -> None:
    """Set, changed or removed, as it is printed; then nothing is said any more."""
    Said(2, _bridge(*given)).advised(fragment)

    assert _bridge(*followed) == ""


def test_json_goes_with_what_is_printed() -> None:
    """The flag that is printed."""
    advised = Said(2, _bridge(flags=("--json",))).advised("--json: goes with --print-config")

    loaded = bridge_config.load(["--json", advised.flag("--print-config")], {})

    assert set(json.loads(loaded.render())) >= {"listen.port", "engine.url"}


def test_the_bridge_is_given_where_to_listen() -> None:
    """As HOST:PORT, which is printed as what was expected."""
    advised = Said(2, _bridge(flags=("--listen", "127.0.0.1:http"))).advised("--listen: expected HOST:PORT")

    assert _bridge(flags=(advised.flag("--listen"), "127.0.0.1:8080")) == ""
