"""Which Ollama is meant: the setting, then OLLAMA_HOST as Ollama reads it, then this machine's."""

import pytest

from deploy.ollama.address import address, from_environment


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", None),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("::1", "http://[::1]:11434"),
        ("http://box", "http://box:80"),
        ("https://box/ollama/", "https://box:443/ollama"),
        ('"box:99999"', "http://box:11434"),
    ],
)
def test_ollama_host(value: str, url: str | None) -> None:
    """An address to listen on becomes one to connect to; ports are those that Ollama itself would take."""
    assert from_environment({"OLLAMA_HOST": value}) == url


def test_who_is_asked_first() -> None:
    """The setting wins, then the environment, then the stack's own port."""
    environ = {"OLLAMA_HOST": "box"}
    assert address("http://named:1/", environ, 5) == "http://named:1"
    assert address(None, environ, 5) == "http://box:11434"
    assert address(None, {}, 5) == "http://127.0.0.1:5"
