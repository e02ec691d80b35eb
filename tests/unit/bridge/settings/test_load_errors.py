"""A configuration that cannot be used is refused with its place, key, value and what is allowed."""

from pathlib import Path

import pytest

from embedstack.bridge.settings.load import ConfigError, load


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to configure with; no configuration of the machine or of this repository is in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "bridge.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("engine: {ulr: x}", "engine.ulr: unknown key; did you mean 'engine.url'?"),
        ("engin: {url: x}", "engin: unknown section; did you mean 'engine'?"),
        ("engine: ollama", "engine: expected keys below it, got 'ollama'"),
        ("- engine", "expected sections, as `listen:`, got ['engine']"),
        ("engine: {kind: olama}", "engine.kind: expected 'ollama', 'openai', 'embedded' or null, got 'olama'"),
        ("engine: {url: 'localhost:1'}", "engine.url: expected http://HOST[:PORT], https://HOST[:PORT] or null, got"),
        ("engine: {timeout: 0}", "engine.timeout: expected seconds above 0, at most 604800, got 0"),
        ("engine: {timeout: .nan}", "engine.timeout: expected seconds above 0, at most 604800, got nan"),
        ("engine: {gguf: 3}", "engine.gguf: expected a path or null, got 3"),
        ("engine: {gguf: ''}", "engine.gguf: expected a path or null, got ''"),
        ("engine: {batch: true}", "engine.batch: expected an integer from 1 to 2048, got true"),
        ("engine: {kind: embedded, url: 'http://x'}", "engine: kind 'embedded' takes gguf, not url"),
        ("engine: {kind: ollama, gguf: x}", "engine: gguf is for the embedded engine"),
        ("engine: {kind: openai}", "engine.kind 'openai' needs engine.url"),
        (
            "engine: {url: 'http://a'}\npool: {upstreams: ['http://b']}",
            "pool.upstreams and engine.url (or an embedded engine) are both set; remove one of them",
        ),
        ("pool: {upstreams: ['http://b', 'http://b/']}", "pool.upstreams names one URL twice"),
        (
            "passthrough: {ollama: 'http://localhost:11435'}",
            "passthrough.ollama (http://localhost:11435) is where the bridge itself listens",
        ),
        ("listen: {port: 65536}", "listen.port: expected an integer from 0 to 65535, got 65536"),
        ("model: {dimensions: 31}", "model.dimensions: expected an integer from 32 or null, got 31"),
        ("model: {aliases: {a: 3}}", "model.aliases.a: expected text, got 3"),
        ("prompts: {tasks: {a: {symmetric: true}}}", "prompts.tasks.a.instruction: missing; expected text or null"),
        (
            "limits: {body_bytes: 3 parsecs}",
            "limits.body_bytes: expected a size: bytes, or as '64 MiB', got '3 parsecs'",
        ),
        ("limits: {texts: 60000}", "limits: texts (60000) is above queue_texts (50000)"),
        ("limits: {queue_bytes: 1 MiB}", "limits: text_bytes (16777216) is above queue_bytes (1048576)"),
        (
            "requests: {keep_alive: '300'}",
            "requests.keep_alive: expected seconds, a duration as '5m' or '1h30m' or null",
        ),
        (
            "security: {allowed_origins: ['https://a.example', x]}",
            "security.allowed_origins[1]: 'x' can never match: write it as SCHEME://HOST[:PORT]",
        ),
        ("security: {allowed_origins: [null]}", "security.allowed_origins[0]: expected SCHEME://HOST[:PORT], "),
        (
            "security: {allowed_hosts: ['https://a.example']}",
            "security.allowed_hosts[0]: 'https://a.example' can never match: no Host has a scheme; write 'a.example'",
        ),
        ("security: {allowed_hosts: a.example}", "security.allowed_hosts: expected a list, each a host name, *.DOMAIN"),
        (
            "security: {allowed_hosts: ['*']}",
            "security.allowed_hosts[0]: '*' lets any web page in; set security",
        ),
        ("security: {allowed_origins: ['*']}", "security.allowed_origins[0]: '*' lets any web page in"),
        ("security: {allowed_origins: ['https://*']}", "security.allowed_origins[0]: 'https://*' lets any web page in"),
        ("security: {allowed_origins: ['null']}", "security.allowed_origins[0]: 'null' lets any web page in"),
        ("security: {api_keys: [' k']}", "security.api_keys[0].key: the key begins or ends with a space"),
        ("security: {api_keys: [a, {name: b, key: 'k '}]}", "security.api_keys[1].key: the key begins or ends with"),
        (
            'security: {api_keys: ["k\\n"]}',
            "security.api_keys[0].key: the key has a line break, a tab or another control",
        ),
        ('security: {api_keys: ["a\\tb"]}', "security.api_keys[0].key: the key has a line break, a tab or another"),
        ('security: {admin_key: "k\\0"}', "line 1, column 23: a NUL character"),
        ('security: {admin_key: "k\\ud800"}', "line 1, column 23: a character that UTF-8 cannot hold"),
        ("security: {admin_key: " + "k" * 20_000 + "}", "security.admin_key: the key is longer than 16384 bytes"),
        ("engine: {api_key: ' k'}", "engine.api_key: the key begins or ends with a space"),
        ("pool: {upstreams: [{url: 'http://a', api_key: 'k '}]}", "pool.upstreams[0].api_key: the key begins or ends"),
        (
            "security: {api_keys: [{name: a, key: k}], admin_key: k}",
            "security.api_keys: a: this is the admin",
        ),
        (
            "security: {api_keys: [{name: a}]}",
            "security.api_keys[0]: 'a' needs one of key, key_file, key_env; it has none",
        ),
        ("security: {api_keys: [{name: a, key: k, key_env: K}]}", "security.api_keys[0]: 'a' needs one of"),
        ("security: {api_keys: [{name: a, key_env: K}]}", "security.api_keys: a: K holds no key"),
        ("security: {api_keys: [{name: a, key_file: none}]}", "security.api_keys: a: "),
        ("security: {api_keys: [k, k]}", "security.api_keys: a name or a key is given twice"),
        (
            "security: {api_keys: [{name: a, key: k}, {name: a, key: l}]}",
            "security.api_keys: a name or a key is given twice",
        ),
        ("log: {level: trace}", "log.level: expected 'debug', 'info', 'warning' or 'error', got 'trace'"),
        ("listen: {host: '127.0.0.1:8080'}", "listen.host: expected an IP address or a host name alone, as 127.0.0.1"),
        ("listen: {host: '[::1]'}", "listen.host: expected an IP address or a host name alone"),
        ("listen: {host: '*'}", "listen.host: expected an IP address or a host name alone"),
        ("listen: {host: 'http://a'}", "listen.host: expected an IP address or a host name alone"),
        ("listen: {host: ' a'}", "listen.host: expected an IP address or a host name alone"),
        ("engine: {url: 'http://a:65536'}", "engine.url: the URL leads nowhere: its port is not a number from 1 to"),
        ("engine: {url: 'http://a:0'}", "engine.url: the URL leads nowhere: nothing listens on port 0"),
        ("engine: {url: 'http://:8000'}", "engine.url: the URL leads nowhere: it names no host"),
        ("engine: {url: 'http://[::1'}", "engine.url: the URL leads nowhere: its port is not a number"),
        ("engine: {url: 'http://a/v1?key=hunter2'}", "engine.url: the URL leads nowhere: a path is put behind it"),
        ("engine: {url: 'http://a#b'}", "engine.url: the URL leads nowhere: a path is put behind it"),
        ("pool: {upstreams: ['http://a', 'http://b:x']}", "pool.upstreams[1].url: the URL leads nowhere: its port"),
        ("passthrough: {ollama: 'http://a:70000'}", "passthrough.ollama: the URL leads nowhere: its port"),
        (
            "engine: {url: 'http://127.0.0.1:11435/v1'}",
            "engine.url (http://127.0.0.1:11435) is where the bridge itself",
        ),
        ("listen: {port: 80}\nengine: {url: 'http://localhost'}", "engine.url (http://localhost) is where the bridge"),
        ("pool: {upstreams: ['http://[::1]:11435']}", "pool.upstreams (http://[::1]:11435) is where the bridge"),
        ("prompts: {tasks: {' a': x}}", "prompts.tasks. a: no request can name the task ' a'; give it a name"),
        ("prompts: {tasks: {'': x}}", "prompts.tasks.: no request can name the task ''; give"),
        ("prompts: {tasks: {Ab: x, aB: y}}", "prompts.tasks.aB: names are read without capitals, and 'Ab' is the same"),
        ("prompts: {tasks: {a: ' '}}", "prompts.tasks.a: its instruction is empty; write null for none"),
        ("prompts: {tasks: {a: {instruction: ''}}}", "prompts.tasks.a: its instruction is empty"),
        (
            "prompts: {tasks: {a: {instruction: null, symmetric: true}}}",
            "prompts.tasks.a: symmetric puts an instruction on every text, and there is none",
        ),
        ("log: {level: info}\nlog: {level: debug}", "line 2, column 1: key 'log' is given twice"),
        ("log: [", "line 1, column 7: "),
        (
            "security: {allowed_hosts: [*.internal]}",
            "line 1, column 29: expected alphabetic or numeric character, but found '.'; put a value ",
        ),
        (
            "security:\n  allowed_origins: *all",
            "line 2, column 20: found undefined alias 'all'; put a value that begins with * in",
        ),
    ],
)
def test_an_error_in_a_file_names_file_key_value_and_what_is_allowed(file: Path, text: str, problem: str) -> None:
    """Every mistake in a file is refused with the file, the key, what was found and what is allowed."""
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(["--config", str(file)], {})

    assert str(caught.value).startswith(f"{file}: {problem}")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("LISTEN_PROT", "1", "no such setting; did you mean 'EMBED_BRIDGE_LISTEN_PORT'?"),
        ("LISTEN_PORT", "x", "listen.port: expected an integer from 0 to 65535, got 'x'"),
        ("MODEL_ALIASES", "{a", "model.aliases: expected a mapping, got '{a'"),
        ("ENGINE_KIND", "vllm", "engine.kind: expected 'ollama', 'openai', 'embedded' or null, got 'vllm'"),
    ],
)
def test_an_error_in_a_variable_names_it(name: str, value: str, problem: str) -> None:
    """A mistake in the environment is refused with the variable, the key, what was found and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        load([], {f"EMBED_BRIDGE_{name}": value})

    assert str(caught.value) == f"EMBED_BRIDGE_{name}: {problem}"


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--set", "listen.port=x"], "--set: listen.port: expected an integer from 0 to 65535, got 'x'"),
        (["--set", "listen.prot=1"], "--set: listen.prot: no such setting; did you mean 'listen.port'?"),
        (["--set", "listen.port"], "--set: expected KEY=VALUE, got 'listen.port'"),
        (["--listen", "8080"], "--listen: expected HOST:PORT, got '8080'"),
        (["--listen", ":99999"], "--listen: listen.port: expected an integer from 0 to 65535, got 99999"),
        (["--upstream", "gpu:1"], "--upstream: engine.url: expected http://HOST[:PORT]"),
        (["--demo", "--gguf", "x"], "argument --gguf: not allowed with argument --demo; see embed-bridge --help"),
        (["--dem"], "unrecognized arguments: --dem; see embed-bridge --help"),
        (["--json"], "--json: goes with --print-config"),
    ],
)
def test_an_error_in_a_flag_names_it(flags: list[str], problem: str) -> None:
    """A mistake on the command line is refused by the flag."""
    with pytest.raises(ConfigError) as caught:
        load(flags, {})

    assert str(caught.value).startswith(problem)


def test_values_that_do_not_go_together_name_every_source() -> None:
    """Where two layers contradict each other, both are named."""
    with pytest.raises(ConfigError, match=r"^EMBED_BRIDGE_ENGINE_URL, --set: engine: kind 'embedded' takes gguf, not"):
        load(["--set", "engine.kind=embedded"], {"EMBED_BRIDGE_ENGINE_URL": "http://x"})


@pytest.mark.parametrize(
    "variables",
    [
        {"EMBED_BRIDGE_SECURITY_API_KEYS": "[hunter2, {x"},
        {"EMBED_BRIDGE_SECURITY_API_KEYS": "[{name: a, kee: hunter2}]"},
    ],
)
def test_an_error_never_shows_a_key(variables: dict[str, str]) -> None:
    """A key that is written wrongly does not reach the terminal or the log."""
    with pytest.raises(ConfigError) as caught:
        load([], variables)

    assert "hunter2" not in str(caught.value)


def test_a_wrong_secret_in_a_file_is_not_shown(file: Path) -> None:
    """A key of digits that YAML takes for a number is refused without being printed."""
    file.write_text("engine: {api_key: 12345}")

    with pytest.raises(ConfigError, match=r"engine\.api_key: expected text or null") as caught:
        load(["--config", str(file)], {})

    assert "12345" not in str(caught.value)


@pytest.mark.parametrize("name", ["api_keys", "admin"])
def test_a_key_in_a_file_that_no_header_carries_is_refused_with_the_file(file: Path, tmp_path: Path, name: str) -> None:
    """As one in the configuration itself: with its place, and without the key."""
    (tmp_path / "key").write_text("hunter2\nhunter3\n", encoding="utf-8")
    setting = "admin_key_file: key" if name == "admin" else "api_keys: [{name: a, key_file: key}]"
    file.write_text(f"security: {{{setting}}}", encoding="utf-8")

    with pytest.raises(ConfigError, match="the key has a line break") as caught:
        load(["--config", str(file)], {})

    assert str(caught.value).startswith(f"{file}: security.{setting.partition(':')[0]}")
    assert "hunter" not in str(caught.value)


def test_a_variable_takes_wildcards_and_networks_with_commas() -> None:
    """As they are written in docs/configuration.md; in a file they stand in quotes, since YAML gives * a meaning."""
    variables = {
        "EMBED_BRIDGE_SECURITY_ALLOWED_HOSTS": "*.internal, 192.168.0.0/16",
        "EMBED_BRIDGE_SECURITY_ALLOWED_ORIGINS": "chrome-extension://*, https://*.example.org",
    }

    security = load([], variables).settings.security

    assert security.allowed_hosts == ("*.internal", "192.168.0.0/16")
    assert security.allowed_origins == ("chrome-extension://*", "https://*.example.org")


@pytest.mark.parametrize(
    ("assignments", "warning"),
    [
        (["engine.kind=ollama", "engine.threads=2"], "engine.threads has no effect with an engine at a URL; remove it"),
        (["engine.kind=ollama", "engine.tokenizer=x"], "engine.tokenizer has no effect with an engine at a URL"),
        (["engine.url=http://a", "engine.threads=2"], "engine.threads has no effect with an engine at a URL"),
        (["engine.gguf=x", "engine.model=y"], "engine.model has no effect with the embedded engine"),
        (["engine.kind=embedded", "engine.api_key=y"], "engine.api_key has no effect with the embedded engine"),
        (["engine.gguf=x", "engine.tokenizer=y"], "engine.tokenizer has no effect with the embedded engine"),
        (["pool.upstreams=http://a", "engine.threads=2"], "engine.threads has no effect with pool.upstreams"),
        (["trace.records=0", "trace.text=true"], "trace.text has no effect with trace.records 0"),
        (["cache.scope=key"], "cache.scope has no effect without security.api_keys: all clients share the cache"),
    ],
)
def test_a_value_that_nothing_reads_is_a_line_at_the_start(assignments: list[str], warning: str) -> None:
    """It does no harm, and is not what its writer thinks it is."""
    settings = load([part for text in assignments for part in ("--set", text)], {}).settings

    assert [line for line in settings.warnings() if line.startswith(warning)]


@pytest.mark.parametrize(
    "assignments",
    [
        ["engine.kind=openai", "engine.url=http://a", "engine.tokenizer=x", "engine.model=y", "engine.api_key=z"],
        ["engine.kind=embedded", "engine.gguf=x", "engine.threads=2", "engine.context=512"],
        ["engine.url=http://a", "engine.tokenizer=x", "engine.model=y"],
        ["pool.upstreams=http://a", "engine.api_key=z", "engine.model=y"],
        ["engine.threads=2"],
        ["trace.text=true"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_read_is_no_line(assignments: list[str]) -> None:
    """Also where only the engine that is found will tell."""
    assert load([part for text in assignments for part in ("--set", text)], {}).settings.warnings() == []
