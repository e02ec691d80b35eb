"""Which Ollama is meant: the setting, then OLLAMA_HOST, then this machine's."""

from embedstack.deploy.ollama.address import address


def test_who_is_asked_first() -> None:
    """The setting wins, then the environment, then the stack's own port."""
    environ = {"OLLAMA_HOST": "box"}
    assert address("http://named:1/", environ, 5) == "http://named:1"
    assert address(None, environ, 5) == "http://box:11434"
    assert address(None, {}, 5) == "http://127.0.0.1:5"
    assert address("http://named:1", {"OLLAMA_HOST": "no host"}, 5) == "http://named:1"
