"""A bridge whose files were damaged on the disk starts, says so, and gives the same vectors; or it says why not."""

from __future__ import annotations

from pathlib import Path

from embedstack.models.demo.build import DemoFiles
from embedstack.models.gguf.header import read
from tests.bridge_process import bridge
from tests.stacks import EMBEDDED, Stacks

BEYOND = "of the holidays in the handbook " * 4_000  # more tokens than the context


def test_what_a_bridge_keeps_is_set_aside_when_it_is_damaged(demo: DemoFiles, stacks: Stacks, tmp_path: Path) -> None:
    """Index, cache and golden vectors: kept under another name, named in the log, and made again."""
    (tmp_path / "index.json").write_bytes(b'{"fingerprint":"4acb76d401cb5150","model":"\xff"}')
    (tmp_path / "vectors.sqlite3").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    (tmp_path / "golden").write_bytes(b"a file where a folder should be")
    sets = ("--set", f"cache.folder={tmp_path}", "--set", "cache.disk=64 MiB", "--set", "model.id=demo")

    with bridge("--gguf", str(demo.gguf), "--set", "engine.threads=1", *sets) as damaged:
        vectors = damaged.embed("the holidays", "假期")
        expected = damaged.ready()["ready"]
        said = damaged.log.read_text()

    assert vectors == stacks[EMBEDDED].bridge.embed("the holidays", "假期")
    assert expected
    assert {path.name.partition(".damaged")[0] for path in tmp_path.glob("*.damaged*")} == {
        "index.json",
        "vectors.sqlite3",
    }
    assert str(tmp_path / "index.json") in said
    assert "Traceback" not in said


def test_a_tokenizer_that_contradicts_itself_keeps_the_engine_out(demo: DemoFiles, tmp_path: Path) -> None:
    """llama.cpp takes the file; a text that has to be counted is a 503 that names file and merge, never a 500."""
    whole = demo.gguf.read_bytes()
    merge = str(read(demo.gguf, ["tokenizer.ggml.merges"])["tokenizer.ggml.merges"][0]).encode()  # type: ignore[index]
    entry = len(merge).to_bytes(8, "little") + merge
    at = whole.index(entry, whole.index(b"tokenizer.ggml.merges"))
    (path := tmp_path / "damaged.gguf").write_bytes(whole[: at + 8] + b"\x01" + whole[at + 9 :])

    own = ("--gguf", str(path), "--set", "engine.threads=1", "--set", "model.id=demo", "--set", "model.precision=f16")
    with bridge(*own, wait_ready=False) as damaged:
        state = damaged.wait_state()
        answers = [damaged.post("/api/embed", {"model": "demo", "input": text}) for text in ("short", BEYOND)]
        said = damaged.log.read_text()

    assert not state["ready"]
    assert "merge 0" in state["backends"][0]["reason"]
    assert str(path) in state["backends"][0]["reason"]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "Traceback" not in said


def test_a_tokenizer_that_cannot_be_read_is_the_engines_fault_and_named(
    demo: DemoFiles, stacks: Stacks, tmp_path: Path
) -> None:
    """engine.tokenizer is read when a text has to be counted: a 502 with path and place, short texts are served."""
    (path := tmp_path / "tokenizer.json").write_bytes((demo.hf / "tokenizer.json").read_bytes()[:5_000])
    upstream = stacks[EMBEDDED].bridge.url
    sets = (
        "engine.kind=openai",
        f"engine.tokenizer={path}",
        "engine.model=demo",
        "model.id=demo",
        "engine.context=4096",
    )

    with bridge("--upstream", upstream, *(part for one in sets for part in ("--set", one))) as before:
        short = before.post("/api/embed", {"model": "demo", "input": "short"})
        long = before.post("/api/embed", {"model": "demo", "input": BEYOND})
        said = before.log.read_text()

    assert (short.status_code, long.status_code) == (200, 502)
    assert "engine.tokenizer" in long.json()["error"]
    assert "Traceback" not in said
