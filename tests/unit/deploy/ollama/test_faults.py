"""What an Ollama has been seen to do wrong, or might: each ends in an error that says what and what next."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineNotUsable, EngineRefused, InvalidModel
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models import create as model_create
from embedstack.deploy.models import pull_ollama, show
from embedstack.deploy.models.create import WantedModel
from embedstack.deploy.ollama import create as made
from embedstack.deploy.ollama.create import Made, create, pull
from embedstack.deploy.ollama.server import Ollama, Progress, keep_alive_value, same_name
from embedstack.models import catalog, modelfile
from tests.upstreams.server import Connection, Handler, Request, serve

FILE = catalog.load().models["qwen3-embedding:4b"].file()
REPORT = Report("test", as_json=True)
ABSENT = "no blob is there"
OLD = {"/api/version": {"version": "0.11.4"}}


def ollama(pages: Mapping[str, Any], *lines: object, stalls: bool = False) -> Handler:
    """An Ollama that answers `pages`, and `lines` to a create or pull, after which it says no more."""

    async def handle(request: Request, connection: Connection) -> None:
        if request.path in ("/api/create", "/api/pull"):
            body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
            await connection.head(200, len(body) + stalls, "application/x-ndjson")
            await connection.write(body)
        elif request.method == "HEAD" and ABSENT not in pages:
            await connection.answer(200, b"")
        elif request.path in pages:
            await connection.answer(200, json.dumps(pages[request.path]).encode())
        else:
            await connection.answer(404, b"404 page not found", "text/plain")

    return handle


NOTHING_THERE: Mapping[str, Any] = {"/api/tags": {"models": []}}


def make(url: str, gguf: Path, silence: float = 10) -> None:
    with Ollama(url, silence) as server:
        create(server, "made", gguf, "0" * 64, modelfile.parameters(64), REPORT)


def test_an_ollama_too_old(tmp_path: Path) -> None:
    """It is refused before any file is fetched for it."""
    source = Source(None, offline=True, cache=tmp_path)
    with serve(ollama(OLD)) as url, pytest.raises(EngineNotUsable, match=r"Ollama 0\.11\.4 is too old"):
        model_create.create_model(WantedModel("demo"), source, REPORT, url=url, keep_alive=-1)
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_the_stream(tmp_path: Path) -> None:
    """Under status 200, after some lines: its words are reported, and the step that its llama-quantize asks for."""
    why = "failed to validate GGUF with llama-quantize without compatibility patches: exit status 1"
    handler = ollama(NOTHING_THERE, {"status": "parsing GGUF"}, {"error": why})
    with serve(handler) as url, pytest.raises(EngineRefused, match=f"refused to create made: {why}") as refused:
        make(url, tmp_path / "a.gguf")
    assert "lib/ollama" in refused.value.advice


def test_a_stalled_stream(tmp_path: Path) -> None:
    """No line for longer than the bound ends the wait."""
    handler = ollama(NOTHING_THERE, {"status": "parsing GGUF"}, stalls=True)
    with serve(handler) as url, pytest.raises(EngineRefused, match="fell silent while it was to create made"):
        make(url, tmp_path / "a.gguf", silence=0.3)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It is the file that is named, not Ollama."""
    absent = {**NOTHING_THERE, ABSENT: True}
    with serve(ollama(absent)) as url, pytest.raises(InvalidModel, match=r"a\.gguf cannot be read: No such file"):
        make(url, tmp_path / "a.gguf")


def test_a_stream_that_ends_early(tmp_path: Path) -> None:
    """Without its last line nothing was made, whatever the status."""
    handler = ollama(NOTHING_THERE, {"status": "writing manifest"})
    with serve(handler) as url, pytest.raises(EngineRefused, match="broke off after 'writing manifest'"):
        make(url, tmp_path / "a.gguf")


def test_a_model_that_is_not_listed(tmp_path: Path) -> None:
    """A creation that left nothing is none."""
    with (
        serve(ollama(NOTHING_THERE, {"status": "success"})) as url,
        pytest.raises(EngineRefused, match="does not list"),
    ):
        make(url, tmp_path / "a.gguf")


def test_no_ollama() -> None:
    """What answers in another way is not taken for one, and nobody at all is reported with what to start."""
    with serve(ollama({})) as url, Ollama(url) as server, pytest.raises(EngineRefused, match="is not an Ollama"):
        server.version()
    with Ollama("http://127.0.0.1:1") as server, pytest.raises(EngineRefused, match="could not be reached") as refused:
        server.models()
    assert "ollama serve" in refused.value.advice


def test_a_bridge_is_no_ollama() -> None:
    """It answers /api/version too, and would refuse every model."""
    pages = {"/api/version": {"version": "0.34.4", "bridge": "0.1.0"}}
    with serve(ollama(pages)) as url, Ollama(url) as server, pytest.raises(EngineNotUsable, match="is a bridge"):
        server.version()


def shown(blob: str) -> Mapping[str, Any]:
    return {
        "/api/tags": {"models": [{"name": FILE.tags[0], "model": FILE.tags[0], "digest": "d" * 64}]},
        "/api/show": {"modelfile": f"# FROM x\nFROM /m/blobs/sha256-{blob}\n", "model_info": {}, "capabilities": []},
    }


@pytest.mark.parametrize(("blob", "same"), [(str(FILE.sha256), True), ("0" * 64, False)])
def test_what_a_pull_brought(blob: str, same: bool) -> None:
    """Ollama's library may move a tag: whether its blob is the catalogue's file is seen."""
    lines = ({"status": "pulling 2b0cf8f17b4c", "total": 9, "completed": 4}, {"status": "success"})
    with serve(ollama(shown(blob), *lines)) as url, Ollama(url) as server:
        assert next(iter(server.pull(FILE.tags[0]))) == Progress("pulling 2b0cf8f17b4c", 4, 9)
        assert pull(server, FILE.tags[0], FILE, REPORT).same is same


def test_the_progress_of_a_pull_reaches_the_person(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Bytes, of how many, by stage."""
    monkeypatch.setattr("embedstack.deploy.console.PRINT_EVERY", 0.0)
    lines = ({"status": "pulling 2b0c", "total": 8_000_000, "completed": 4_000_000}, {"status": "success"})
    with serve(ollama(shown("0" * 64), *lines)) as url, Ollama(url) as server:
        pull(server, FILE.tags[0], FILE, REPORT)
    assert "pulling 2b0c: 4 of 8 MB" in capsys.readouterr().err


def test_what_the_library_does_not_have() -> None:
    """A file without a tag there is reported before anybody is asked, with the other way."""
    with pytest.raises(InvalidModel, match="no qwen3-embedding:4b at Q6_K") as refused:
        pull_ollama.pull(WantedModel("qwen3-embedding:4b", "Q6_K"), REPORT, url="http://127.0.0.1:1", keep_alive=-1)
    assert "model create" in refused.value.advice


def test_show_without_an_ollama() -> None:
    """The catalogue's part is reported all the same, and why the rest is missing."""
    reported = show.show("qwen3-embedding:4b-q8_0", None, "http://127.0.0.1:1")
    assert (reported.name, reported.dimensions, reported.ollama) == ("qwen3-embedding:4b-q8_0", 2560, None)
    assert "could not be reached" in reported.reason


def test_what_was_made_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By address and name, 0600; a file that cannot be read is as none."""
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path))
    one = Made("a" * 64, "b" * 64, {"num_ctx": "64"})
    made.remember("http://a:1/", "demo:latest", one)
    assert made.recall("http://a:1", "demo") == one
    assert made.recall("http://b:1", "demo") is None
    assert (tmp_path / "ollama.json").stat().st_mode & 0o777 == 0o600
    made.remember("http://a:1", "demo", None)
    assert made.recall("http://a:1", "demo") is None
    (tmp_path / "ollama.json").write_text("[")
    assert made.recall("http://a:1", "demo") is None


def test_names_of_one_model() -> None:
    """Ollama adds `:latest` to a name without a tag, and minds no case."""
    assert same_name("demo", "Demo:latest")
    assert not same_name("demo:1", "demo")


@pytest.mark.parametrize(("given", "sent"), [("-1", -1), (-1, -1), ("5m", "5m"), ("300", 300), (None, None)])
def test_how_long_a_model_stays(given: float | str | None, sent: float | str | None) -> None:
    """A number without a unit goes as a number, as Ollama wants it."""
    assert keep_alive_value(given) == sent
