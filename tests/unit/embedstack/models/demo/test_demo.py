"""The demo model: the same bytes everywhere, right vectors, and words that find their paragraph."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import yaml

from embedstack.models.demo import build as demo_build
from embedstack.models.demo.build import GGUF, HF, DemoFiles, DemoModelError, build, default_folder
from embedstack.models.demo.hf_folder import QUERY_PROMPT
from embedstack.models.demo.lexicon import meanings, read
from embedstack.models.demo.weights import ballast, rotation
from tests.paths import ROOT
from tests.reference import golden
from tests.reference.controls import CONTROLS
from tests.reference.in_process import LlamaCpp
from tests.reference.numpy_qwen3 import Floats, NumpyQwen3, cut
from tests.reference.texts import PARITY_TEXTS, distinct_texts

pytestmark = pytest.mark.slow

SHA256 = "fd3c83b6ba742a995af3246870e2262eb8aa1cb9b2457d7c40e2600fc9cd6d0f"
"""Of the GGUF. It changes with the word lists, and with nothing else: not with the machine, nor with the day."""

ENTRIES = yaml.safe_load(read("passages.yaml"))
GUIDED = yaml.safe_load(read("questions.yaml"))
HELD_OUT = yaml.safe_load((ROOT / "tests" / "reference" / "held_out.yaml").read_text())


@pytest.fixture(scope="module")
def files() -> DemoFiles:
    return build(default_folder())


@pytest.fixture(scope="module")
def model(files: DemoFiles) -> NumpyQwen3:
    return NumpyQwen3.load(files.hf)


@pytest.fixture(scope="module")
def llama(files: DemoFiles) -> LlamaCpp:
    return LlamaCpp(files.gguf)


@pytest.fixture(scope="module")
def passages(model: NumpyQwen3) -> Floats:
    return model.embed([entry["text"] for entry in ENTRIES])


def command(folder: Path, limit: Callable[[], None] | None = None, **environment: str) -> subprocess.Popen[str]:
    """`python -m embedstack.models.demo`, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "embedstack.models.demo", str(folder)],
        text=True,
        env=os.environ | environment,
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def found(model: NumpyQwen3, passages: Floats, question: str, dimensions: int = 2560) -> str:
    """The id of the paragraph nearest to the question."""
    scores = cut(passages, dimensions) @ cut(model.embed([question]), dimensions)[0]
    return str(ENTRIES[int(scores.argmax())]["id"])


class TestBytes:
    @pytest.mark.thorough
    def test_two_folders_hold_the_same_bytes(self, tmp_path: Path) -> None:
        """A build with other hash seeds, threads and CPU features gives the pinned sha256 and the same folder."""
        one = build(tmp_path / "one")
        other = command(
            tmp_path / "two", PYTHONHASHSEED="7", OPENBLAS_NUM_THREADS="1", NPY_DISABLE_CPU_FEATURES="AVX2 FMA3"
        )
        output, error = other.communicate(timeout=300)
        assert SHA256 in output, error
        assert one.sha256 == SHA256
        assert digests(tmp_path / "one") == digests(tmp_path / "two")

    def test_gguf_and_folder_hold_the_same_weights(self, files: DemoFiles, model: NumpyQwen3) -> None:
        """Every tensor of the GGUF is a tensor of the folder, bit by bit."""
        stored = [tensor.data for tensor in gguf.GGUFReader(files.gguf).tensors]
        assert len(model.weights) == len(stored)
        for mine, theirs in zip(model.weights.values(), stored, strict=True):
            np.testing.assert_array_equal(mine, theirs)

    def test_a_second_call_writes_nothing(self, tmp_path: Path) -> None:
        """A folder that is whole is left as it is."""
        before = build(tmp_path), stamps(tmp_path)
        assert before == (build(tmp_path), stamps(tmp_path))

    @pytest.mark.thorough
    @pytest.mark.parametrize("name", [GGUF, f"{HF}/tokenizer.json"])
    def test_a_damaged_file_is_made_again(self, tmp_path: Path, name: str) -> None:
        """One wrong byte is noticed, and what else lies in the folder stays."""
        (tmp_path / "mine.txt").write_text("mine")
        build(tmp_path)
        whole = digests(tmp_path)
        (tmp_path / name).write_bytes(b"x" + (tmp_path / name).read_bytes()[1:])
        build(tmp_path)
        assert whole == digests(tmp_path)

    @pytest.mark.process
    def test_a_killed_build_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """After a kill -9 in the middle there is no model, and the next build finishes and cleans up."""
        child = command(tmp_path)
        wait_for(lambda: any(tmp_path.glob(".building-*")))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert not (tmp_path / GGUF).exists()
        assert build(tmp_path).sha256 == SHA256
        assert list(tmp_path.glob(".building-*")) == []

    @pytest.mark.thorough
    def test_two_processes_share_one_build(self, tmp_path: Path) -> None:
        """Started at once on one folder, both end well."""
        both = [command(tmp_path), command(tmp_path)]
        outputs = [child.communicate(timeout=300)[0] for child in both]
        assert [child.returncode for child in both] == [0, 0]
        assert all(SHA256 in output for output in outputs)

    def test_another_recipe_is_built_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The recipe is the program's text, too: a cached model of another release is not taken for this one's."""
        names = {path.name for path in demo_build._sources()}
        before = build(tmp_path).gguf.stat().st_mtime_ns
        monkeypatch.setattr(demo_build, "_sources", lambda: [Path(__file__)])

        assert {"weights.py", "gguf_file.py", "hf_folder.py", "lexicon.yaml", "words.yaml", "card.md"} <= names
        assert build(tmp_path).gguf.stat().st_mtime_ns > before

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """The error says which folder, why, and what to set."""
        (tmp_path / "file").touch()
        with pytest.raises(DemoModelError, match=r"file/models: Not a directory.*EMBEDSTACK_CACHE"):
            build(tmp_path / "file" / "models")

    @pytest.mark.thorough
    def test_a_full_disk_is_reported_and_leaves_nothing(self, tmp_path: Path) -> None:
        """A write that ends half-way is one line on stderr, and no file that looks like a model is left."""
        child = command(tmp_path, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)))
        _, error = child.communicate(timeout=300)
        assert child.returncode == 1
        assert f"The demo model could not be written to {tmp_path}: a write ended early" in error
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]

    def test_the_cache_can_be_moved(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """EMBEDSTACK_CACHE is the root of the default folder."""
        monkeypatch.setenv("EMBEDSTACK_CACHE", str(tmp_path))
        assert tmp_path / "models" / "demo-v1" == default_folder()


class TestVectors:
    def test_parity_texts_are_many_short_and_long(self, model: NumpyQwen3) -> None:
        """At least 60, all different, from 1 token to 6,000."""
        counts = [len(model.ids(text)) for text in PARITY_TEXTS]
        assert 60 <= len({unicodedata.normalize("NFC", text) for text in PARITY_TEXTS}) == len(counts)
        assert min(counts) == 1
        assert 5900 <= max(counts) <= 6100

    def test_energy_is_spread_over_all_coordinates(self, passages: Floats) -> None:
        """Each tenth of the 2,560 coordinates holds a tenth of a vector's energy, give or take a third."""
        tenths = np.square(passages).reshape(len(passages), 10, 256).sum(axis=2)
        assert tenths.min() > 0.067
        assert tenths.max() < 0.133

    @pytest.mark.parametrize("dimensions", [1024, 512])
    def test_a_cut_is_not_the_full_vector_again(self, passages: Floats, dimensions: int) -> None:
        """Cosines differ visibly after a cut, though the model's rank is only 512."""
        short, full = cut(passages, dimensions), passages
        assert np.abs(short @ short.T - full @ full.T).max() > 0.05

    def test_the_rotation_is_exact(self) -> None:
        """Its columns are orthogonal to each other and to the ballast, in whole numbers."""
        np.testing.assert_array_equal(2560 * np.eye(512), rotation().T @ rotation())
        np.testing.assert_array_equal(np.zeros(512), rotation().T @ ballast())

    def test_eos_has_a_small_vector_of_its_own(self, model: NumpyQwen3) -> None:
        """Not zero, so that "" has a vector; an eighth of the others, so that it drowns none of them."""
        lengths = np.linalg.norm(model.weights["embed_tokens.weight"], axis=1)
        (eos,) = model.ids("")
        others = np.delete(lengths, eos)
        np.testing.assert_allclose(others, others[0], rtol=0.001)
        assert lengths[eos] == pytest.approx(others[0] / 8, rel=0.001)

    def test_every_listed_word_is_one_token(self, model: NumpyQwen3) -> None:
        """Alone, and an English one also after a space; EOS is the second."""
        forms = [form for word in meanings() for form in (word, f" {word}") if form == word or word.isascii()]
        cut_up = [form for form in forms if len(model.ids(form)) != 2]
        assert cut_up == []

    def test_distinct_texts_are_distinct(self, model: NumpyQwen3) -> None:
        """Among 200, none lies above cosine 0.9 with another."""
        vectors = model.embed(distinct_texts(200))
        assert (vectors @ vectors.T - 2 * np.eye(200)).max() < 0.9


class TestMeaning:
    @pytest.mark.parametrize("prompt", ["", QUERY_PROMPT])
    @pytest.mark.parametrize("dimensions", [2560, 1024, 256, 32])
    @pytest.mark.parametrize("question", GUIDED, ids=lambda question: question["text"])
    def test_guided_questions_find_their_paragraph(
        self, model: NumpyQwen3, passages: Floats, question: dict[str, str], dimensions: int, prompt: str
    ) -> None:
        """At every dimension that the demo shows, with the instruction and without."""
        assert question["answer"] == found(model, passages, prompt + question["text"], dimensions)

    def test_the_holiday_paragraph_does_not_say_what_is_asked(self) -> None:
        """It speaks of 带薪休假; that 年假 is the same, the lexicon knows."""
        (text,) = (entry["text"] for entry in ENTRIES if entry["id"] == "holiday")
        assert "带薪休假" in text
        assert "年假" not in text

    @pytest.mark.parametrize("prompt", ["", QUERY_PROMPT])
    def test_held_out_questions_are_found(self, model: NumpyQwen3, passages: Floats, prompt: str) -> None:
        """16 of 20 questions that had no part in writing the lexicon."""
        right = [q["answer"] == found(model, passages, prompt + q["text"]) for q in HELD_OUT]
        assert len(right) == 20
        assert sum(right) >= 16

    def test_the_instruction_turns_the_vector_a_little(self, model: NumpyQwen3) -> None:
        """A bridge that forgets it is seen, and the ranking stays."""
        for question in GUIDED:
            bare, instructed = model.embed([question["text"], QUERY_PROMPT + question["text"]])
            assert 0.9 < bare @ instructed < 0.99


class TestGolden:
    @pytest.mark.thorough
    def test_golden_files_are_what_the_reference_computes(self) -> None:
        """Nobody has edited a score by hand, or the model without its scores."""
        for path, computed in ((golden.DEMO, golden.demo()), (golden.RANDOM, golden.random())):
            stored = yaml.safe_load(path.read_text())
            for mine, theirs in zip(computed.pop("scores"), stored.pop("scores"), strict=True):
                np.testing.assert_allclose(mine.pop("matrix"), theirs.pop("matrix"), atol=2e-6)
                assert mine == theirs
            assert computed == stored

    def test_a_right_engine_is_far_inside_the_tolerance(self, llama: LlamaCpp) -> None:
        """llama.cpp's rounding uses a third of it at most."""
        assert max(deviations(llama, golden.DEMO).values()) < 1 / 3

    @pytest.mark.parametrize(
        ("name", "ending"),
        [
            ("EOS missing", []),
            ("EOS doubled", ["<|endoftext|>", "<|endoftext|>"]),
            ("EOS of another id", ["<|im_end|>"]),
        ],
    )
    def test_wrong_folders_end_texts_wrongly(self, tmp_path: Path, name: str, ending: list[str]) -> None:
        """The Hugging Face controls make the same mistake as their GGUF."""
        (control,) = (control for control in CONTROLS if control.name == name)
        wrong = NumpyQwen3.load(control.write_hf(tmp_path / "wrong"))
        assert wrong.tokenizer.encode("hello").tokens == ["hello", *ending]

    def test_energy_in_front_is_seen_in_the_full_vector_only(self, tmp_path: Path) -> None:
        """A model that says nothing behind coordinate 1,024 is right at 1,024, and wrong at 2,560."""
        (control,) = (control for control in CONTROLS if control.name.startswith("energy"))
        off = deviations(LlamaCpp(control.write_gguf(tmp_path / "wrong.gguf")), golden.DEMO)
        assert off[1024] < 1 < 10 < off[2560]


def deviations(engine: LlamaCpp, path: Path) -> dict[int, float]:
    """By dimension, the largest distance from a golden score, in tolerances."""
    expected = yaml.safe_load(path.read_text())
    vectors = np.concatenate([engine.embed([text]).vectors for text in expected["texts"]])
    return {
        scores["dimensions"]: float(
            np.abs(np.subtract(golden.scores(vectors, scores["dimensions"]), scores["matrix"])).max()
            / scores["tolerance"]
        )
        for scores in expected["scores"]
    }


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)
