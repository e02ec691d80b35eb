"""A GGUF goes into the real Ollama once, is right there, and is left alone the next time."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from embedstack.deploy.console import Report
from embedstack.deploy.errors import EngineRefused, InvalidModel, WrongBytes
from embedstack.deploy.hub.source import Source
from embedstack.deploy.models import create as model_create
from embedstack.deploy.models import create as model_remove
from embedstack.deploy.models import pull_ollama, show
from embedstack.deploy.models.create import CreatedModel, WantedModel
from embedstack.deploy.ollama import create as made
from embedstack.deploy.ollama.create import Created, create, upload
from embedstack.deploy.ollama.server import Ollama, Progress, ShownModel
from embedstack.deploy.ollama.verify import gpu_fallback, verify
from embedstack.deploy.ollama.version import judge
from embedstack.models import catalog, modelfile
from embedstack.models.demo.build import DemoFiles
from embedstack.models.model import Model
from embedstack.models.modelfile import Modelfile
from tests.engines.process import Running
from tests.engines.run import ollama_command, ollama_server

pytestmark = pytest.mark.needs("ollama")
MODELS = catalog.load().models
MODEL = MODELS["demo"]
REPORT = Report("test", as_json=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ollama_server(tmp_path_factory.mktemp("ollama") / "models") as started:
        yield started


@pytest.fixture
def server(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ollama]:
    """An Ollama without models, though it keeps the blobs of earlier ones, and a home of the test's own."""
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    with Ollama(running.url) as server:
        yield server
        for model in server.models():
            server.remove(model.name)


def make(server: Ollama, demo: DemoFiles, num_ctx: int = 1024) -> Created:
    return create(server, "made", demo.gguf, demo.sha256, modelfile.parameters(num_ctx), REPORT)


def asked(running: Running, method: str, path: str) -> int:
    """How often the server was asked so, by its own log."""
    lines = running.log.read_text(errors="replace").splitlines()
    return sum(1 for line in lines if "[GIN]" in line and f" {method} " in line and f'"{path}' in line)


def test_a_model_is_created_and_right(server: Ollama, demo: DemoFiles) -> None:
    """The file is uploaded, the model has context and batch as asked for, and its vectors are the reference's."""
    done = make(server, demo)
    assert (done.already, done.digest) == (False, server.digest("made"))
    shown = server.show("made")
    assert shown is not None
    assert shown.parameters == {"num_ctx": "1024", "num_batch": "1024"}
    assert "embedding" in shown.capabilities
    names = [check.name for check in verify(server, "made", MODEL, "f16", -1)]
    assert names[:5] == ["capabilities", "dimensions", "length", "tokens", "alone and together"]
    assert "scores at 2560" in names


def test_a_second_time_nothing_is_sent(server: Ollama, running: Running, demo: DemoFiles) -> None:
    """A model from the same file with the same parameters is left alone: no upload, no create."""
    first = make(server, demo)
    before = asked(running, "POST", "/api/create"), asked(running, "POST", "/api/blobs")
    assert make(server, demo) == Created("made", first.digest, already=True, uploaded=False)
    assert (asked(running, "POST", "/api/create"), asked(running, "POST", "/api/blobs")) == before


def test_a_record_is_not_needed_where_the_blob_is_the_file(server: Ollama, demo: DemoFiles) -> None:
    """Without our own record the blob that Ollama names tells that the model is the one, whatever it would sample."""
    create(server, "made", demo.gguf, demo.sha256, {**modelfile.parameters(1024), "temperature": 0.5}, REPORT)
    made.remember(server.url, "made", None)
    assert make(server, demo).already


def test_a_rewritten_blob_is_known_by_the_record(
    server: Ollama, demo: DemoFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Ollama has rewritten the file, so that its blob is another, the manifest that came out still tells."""
    make(server, demo)
    monkeypatch.setattr(Ollama, "show", lambda *_: ShownModel({}, ("embedding",), "F16", ("0" * 64,)))
    assert make(server, demo).already
    made.remember(server.url, "made", None)
    assert not make(server, demo).already


def test_other_parameters_make_it_again(server: Ollama, demo: DemoFiles) -> None:
    """The file is there already and is not sent again; the model is another."""
    first = make(server, demo)
    second = make(server, demo, 2048)
    assert (second.already, second.uploaded) == (False, False)
    assert second.digest != first.digest
    shown = server.show("made")
    assert shown is not None
    assert shown.parameters["num_ctx"] == "2048"


def test_what_somebody_changed_behind_our_back_is_made_again(
    server: Ollama, running: Running, demo: DemoFiles, tmp_path: Path
) -> None:
    """Our record alone is not trusted: the digest that Ollama lists has to be the same."""
    make(server, demo)
    (tmp_path / "Modelfile").write_text("FROM made\nPARAMETER num_ctx 256\n")
    ollama_command(running, "create", "made", "-f", str(tmp_path / "Modelfile"))
    assert not make(server, demo).already


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_modelfile_and_the_api_make_the_same(
    server: Ollama, running: Running, demo: DemoFiles, tmp_path: Path, model: Model
) -> None:
    """`ollama create -f` takes each model's Modelfile; its content over the API gives equal parameters and weights."""
    made = Modelfile.of(model, demo.gguf)
    (tmp_path / "Modelfile").write_text(made.text)
    ollama_command(running, "create", "by-file", "-f", str(tmp_path / "Modelfile"))
    create(server, "by-api", demo.gguf, demo.sha256, made.parameters, REPORT)
    assert server.show("by-file") == server.show("by-api")


def test_a_wrong_digest_is_refused(server: Ollama, demo: DemoFiles) -> None:
    """Ollama counts the sha256 of what arrives; nothing is created of it."""
    wrong = "0" * 64
    with pytest.raises(WrongBytes, match=f"its sha256 is not {wrong}"):
        create(server, "made", demo.gguf, wrong, modelfile.parameters(512), REPORT)
    assert server.digest("made") is None


def test_the_upload_tells_how_far_it_is(demo: DemoFiles, tmp_path: Path) -> None:
    """An absent file is sent once, in one pass; a second upload sees that it is there."""
    with ollama_server(tmp_path / "models") as fresh, Ollama(fresh.url) as server:
        assert upload(server, demo.gguf, demo.sha256, REPORT)
        assert not upload(server, demo.gguf, demo.sha256, REPORT)
        assert asked(fresh, "POST", "/api/blobs") == 1


def test_create_tells_its_stages(server: Ollama, demo: DemoFiles) -> None:
    """The stream's own words come one after another, the last being that it is done."""
    upload(server, demo.gguf, demo.sha256, REPORT)
    parts = list(server.create("made", files={"a.gguf": f"sha256:{demo.sha256}"}, parameters={"num_ctx": 64}))
    assert parts[0].status == "parsing GGUF"
    assert parts[-1] == Progress("success", None, None)


def test_an_error_of_create_is_reported_in_its_words(server: Ollama) -> None:
    """An error that comes inside the stream, under status 200, ends the creation."""
    with pytest.raises(EngineRefused, match=r"refused to create made: .*no such file"):
        list(server.create("made", files={"a.gguf": f"sha256:{'1' * 64}"}, parameters={}))


def test_another_model_under_the_name_is_found_out(server: Ollama, demo: DemoFiles) -> None:
    """The checks name what is wrong: here, that the model has other dimensions than the one asked for."""
    make(server, demo)
    other = MODELS["qwen3-embedding:0.6b"]
    with pytest.raises(EngineRefused, match="dimensions is 2560 and must be 1024"):
        verify(server, "made", other, "Q8_0")


def test_a_model_on_the_cpu_is_said_to_be(server: Ollama, demo: DemoFiles) -> None:
    """Ollama tells no one that it fell back: the memory that it has on a GPU does."""
    create(server, "resting", demo.gguf, demo.sha256, modelfile.parameters(64), REPORT)
    assert gpu_fallback(server, "resting") == ""
    server.embed("resting", ["hello"], keep_alive="-1")
    assert "runs on the CPU" in gpu_fallback(server, "resting")


def test_what_a_pulled_model_lacks_can_be_set(server: Ollama, demo: DemoFiles) -> None:
    """A model made without parameters gets them, from itself."""
    create(server, "bare", demo.gguf, demo.sha256, {}, REPORT)
    list(server.set_parameters("bare", modelfile.parameters(512)))
    shown = server.show("bare")
    assert shown is not None
    assert (shown.parameters, shown.blobs) == ({"num_ctx": "512", "num_batch": "512"}, (demo.sha256,))


def test_the_version_is_read_and_supported(server: Ollama, running: Running) -> None:
    """What the server says it is, judged."""
    assert judge(server.version()).support == "supported"
    assert server.version() == running.version


def test_the_verbs(server: Ollama, demo: DemoFiles, tmp_path: Path) -> None:
    """`create` from a file, `show` and `remove`, as a person would call them."""
    source = Source(None, offline=True, cache=tmp_path / "hub")

    def made(wanted: WantedModel) -> CreatedModel:
        return model_create.create_model(wanted, source, REPORT, url=server.url, keep_alive=-1)

    done = made(WantedModel(None, gguf=demo.gguf, num_ctx=512))
    assert (done.name, done.num_ctx, done.already) == ("demo", 512, False)
    assert made(WantedModel("demo", num_ctx=512)).already
    shown = show.show("demo", None, server.url)
    assert shown.ollama is not None
    assert (shown.ollama.same, shown.ollama.num_ctx, shown.ollama.on_gpu) == (True, "512", 0)
    assert shown.ollama.loaded > 0
    console = Console(width=120)
    with console.capture() as reported:
        console.print(done, shown)
    assert "demo created in the Ollama" in reported.get()
    assert "the very file" in reported.get()
    model_remove.remove_model("demo", server.url)
    assert show.show("demo", None, server.url).ollama is None
    with pytest.raises(InvalidModel, match="There is no demo in the Ollama"):
        model_remove.remove_model("demo", server.url)


def test_a_pulled_model_gets_its_context(server: Ollama, demo: DemoFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it comes from the library it has none. The library, which a test cannot reach, is what was made before."""
    create(server, "demo", demo.gguf, demo.sha256, {}, REPORT)
    monkeypatch.setattr(Ollama, "pull", lambda *_: iter([Progress("success", None, None)]))
    tagged = msgspec.structs.replace(MODEL, files=(msgspec.structs.replace(MODEL.file(), tags=("demo:f16",)),))
    known = msgspec.structs.replace(catalog.load(), models={"demo": tagged})
    monkeypatch.setattr(catalog, "load", lambda *_: known)
    pulled = pull_ollama.pull(WantedModel("demo", num_ctx=512), REPORT, url=server.url, keep_alive="-1")
    assert (pulled.same, pulled.num_ctx, pulled.digest) == (True, 512, server.digest("demo"))
    shown = server.show("demo")
    assert shown is not None
    assert shown.parameters == {"num_ctx": "512", "num_batch": "512"}
    assert make_named(server, "demo", demo).already


def make_named(server: Ollama, name: str, demo: DemoFiles) -> Created:
    return create(server, name, demo.gguf, demo.sha256, modelfile.parameters(512), REPORT)


def test_a_library_out_of_reach(tmp_path: Path) -> None:
    """Ollama's own words, which come inside the stream, say what could not be reached."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    with (
        ollama_server(tmp_path / "models", env=nowhere) as fresh,
        pytest.raises(EngineRefused, match=r"refused to pull qwen3-embedding:4b: .*registry\.ollama\.ai"),
    ):
        pull_ollama.pull(WantedModel("qwen3-embedding:4b"), REPORT, url=fresh.url, keep_alive=-1)
