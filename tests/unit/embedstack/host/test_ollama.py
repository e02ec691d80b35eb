"""OLLAMA_HOST, as Ollama itself reads it: one reader for the bridge and the toolkit."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from embedstack.bridge.backends.http import Address
from embedstack.configuration.layers import ConfigError
from embedstack.deploy.cli.app import app
from embedstack.deploy.errors import InvalidSettings
from embedstack.deploy.machine import gpu
from embedstack.deploy.machine.gpu import Gpus
from embedstack.deploy.ollama import address
from embedstack.host.ollama import ollama_url


@pytest.mark.parametrize(
    ("value", "url"),
    [
        # Values of Ollama's own tests (envconfig, 0.34.4), and what its client makes of the others.
        (None, None),
        ("", None),
        (' "" ', None),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:5", "http://1.2.3.4:5"),
        (":56789", "http://127.0.0.1:56789"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 -- data: nothing is bound here
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://0.0.0.0", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:11434"),
        ("example.com", "http://example.com:11434"),
        ("host_name:1", "http://host_name:1"),
        ("ollama.com", "https://ollama.com:443"),
        ("ollama.com:80", "http://ollama.com:80"),
        # Ports: 0 is one, though nobody listens there; what is none is the usual one.
        ("host:0", "http://host:0"),
        ("http://host:00", "http://host:0"),
        (":0", "http://127.0.0.1:0"),
        ("host:080", "http://host:80"),
        ("host:", "http://host:11434"),
        ("https://host:", "https://host:443"),
        ("example.com:65536", "http://example.com:11434"),
        ("example.com:-1", "http://example.com:11434"),
        ("example.com:x", "http://example.com:11434"),
        ("example.com:6_5", "http://example.com:11434"),
        ("example.com:١٢", "http://example.com:11434"),
        (f"example.com:{'9' * 5000}", "http://example.com:11434"),
        # Schemes: as they are written, and only then with a port of their own.
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("HTTP://Host", "http://Host:11434"),
        ("Https://Host:1", "https://Host:1"),
        ("http://", "http://127.0.0.1:80"),
        # Paths.
        ("https://example.com:1234/ollama/", "https://example.com:1234/ollama"),
        ("example.com/", "http://example.com:11434"),
        ("host:1/a//b c?d#e/", "http://host:1/a/b%20c%3Fd%23e"),
        ("http:///x", "http://127.0.0.1:80/x"),
        # IPv6, in brackets or not.
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("[::1]:", "http://[::1]:11434"),
        ("[::1", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::]:1337", "http://[::1]:1337"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:11434"),
        ("[::ffff:0.0.0.0]:1", "http://127.0.0.1:1"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:11434"),
        ("[host]:80", "http://host:80"),
        # Quotes and spaces.
        (' "1.2.3.4" ', "http://1.2.3.4:11434"),
        ("'1.2.3.4:5'", "http://1.2.3.4:5"),
        (' " host:0 " ', "http://host:0"),
    ],
)
def test_read_as_ollama_reads_it(value: str | None, url: str | None) -> None:
    """Scheme, host, port and path as Ollama's own client takes them; an address for listening becomes loopback."""
    environ = {} if value is None else {"OLLAMA_HOST": value}
    assert ollama_url(environ) == url
    assert address.from_environment(environ) == url
    if url is not None:
        taken = Address.of(url)
        assert taken is not None
        assert taken.port == int(url.split("/")[2].rpartition(":")[2])


UNUSABLE = [
    *("user@host", "user:pw@host:1", "http://user@host", "https://user:pw@host:1/x", "@host"),
    *("ftp://host", "unix:///x", "://host", "tcp://host:1"),
    *("a:b:c", "1.2.3.4:5:6", "[::1]x", "[host]", "[x]:1:2", "ho[st:1"),
    *("two words", "host?x", "http://host#x", "a\nb", f"{'ü' * 80}.example"),
]


@pytest.mark.parametrize("value", UNUSABLE)
def test_what_ollama_reaches_nothing_by(value: str) -> None:
    """An error of each program's own, which names the variable and shows no password; never a guess, never a crash."""
    for read, error in ((ollama_url, ConfigError), (address.from_environment, InvalidSettings)):
        with pytest.raises(error, match="OLLAMA_HOST: expected HOST") as refused:
            read({"OLLAMA_HOST": value})
        assert "pw" not in str(refused.value)
        assert "user@" not in str(refused.value)


@pytest.mark.parametrize("command", ["model show demo", "up --dry-run --mode native", "doctor --mode native"])
def test_every_command_says_so(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, and words in place of a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gpu, "look", Gpus)
    environ = {"OLLAMA_HOST": "me:secret@box:1", "EMBEDSTACK_HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "500"}
    done = CliRunner().invoke(app, command.split(), env=environ)
    assert done.exit_code == 2
    assert "OLLAMA_HOST: expected HOST" in done.output
    assert "secret" not in done.output
