"""The demo model's words: what each means, how much it weighs, and the vocabulary in which each is one token."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import yaml

from embedstack.models.catalog import DATA
from embedstack.models.demo.bpe import learn, unspell
from embedstack.models.demo.checkpoint import SPECIAL_TOKENS, Vocabulary

FOLDER = DATA / "demo"

CONTENT, GENERAL, PIECE, FUNCTION, SPECIAL = 1.0, 0.45, 0.25, 0.08, 0.3
"""Share of a token's vector that the attention sees. The instruction's 19 tokens are nearly all of the class FUNCTION:
together they turn a query's vector a little and leave the ranking to the content words."""


@dataclass(frozen=True)
class Meaning:
    """What a word's direction is made from, and its weight in 0..1."""

    name: str
    weight: float


def read(name: str) -> str:
    """A data file of this package."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def meanings() -> dict[str, Meaning]:
    """Each word of the two data files, in lower case, with its meaning. ValueError for a word that stands twice."""
    known: dict[str, Meaning] = {}
    for word, meaning in _rows():
        if word.lower() in known and known[word.lower()] != meaning:
            raise ValueError(f"{word!r} stands under {known[word.lower()].name!r} and under {meaning.name!r}")
        known[word.lower()] = meaning
    return known


def _rows() -> Iterator[tuple[str, Meaning]]:
    for concept, words in yaml.safe_load(read("lexicon.yaml")).items():
        for word in words:
            yield word, Meaning(concept, CONTENT)
    for group, weight in (("function", FUNCTION), ("general", GENERAL), ("characters", PIECE)):
        for text in yaml.safe_load(read("words.yaml"))[group].values():
            for word in text.split():
                yield word, Meaning(f"word {word.lower()}", weight)


def spellings(word: str) -> tuple[str, ...]:
    """The forms in which a word is one token. A space before a capital is its own token: it saves 1,200 tokens."""
    if not word.isascii():
        return (word,)
    small = word.lower()
    return (f" {small}", small, word if word != small else word.capitalize())


@cache
def vocabulary() -> Vocabulary:
    """The demo model's vocabulary, learnt anew from its word lists in about a second."""
    tokens, merges = learn(form for word, _ in _rows() for form in spellings(word))
    return Vocabulary(tokens=(*tokens, *SPECIAL_TOKENS), merges=merges)


def meaning_of(token: str) -> Meaning:
    """The meaning of a vocabulary token; a piece of a word means itself, and punctuation next to nothing."""
    if token in SPECIAL_TOKENS:
        return Meaning(token, SPECIAL)
    try:
        word = unspell(token).decode().strip().lower()
    except UnicodeDecodeError:  # a part of a character
        return Meaning(f"piece {token}", PIECE)
    return meanings().get(word) or Meaning(f"piece {word or token}", PIECE if word.isalnum() else FUNCTION)
