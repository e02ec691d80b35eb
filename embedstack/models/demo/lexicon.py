"""The demo model's words: what each means, how much it weighs, and the vocabulary in which each is one token.

A byte-level BPE whose merges are learnt from a list of words, until every one of them is a single token.

Words rather than running text: what is whole in the list stays whole after a space or a Latin punctuation mark, in
every engine, because nothing but the merges decides. (User-defined added tokens are cut differently by llama.cpp and
by Hugging Face where two of them overlap.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise

import yaml

from embedstack.models.catalog import DATA
from embedstack.models.demo.checkpoint import SPECIAL_TOKENS, DemoVocabulary

Pair = tuple[str, str]


def byte_alphabet() -> dict[int, str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


_ALPHABET = byte_alphabet()
_BYTES = {char: byte for byte, char in _ALPHABET.items()}


def spell(text: str) -> str:
    """`text` in the byte alphabet: ' 年' becomes 'Ġå¹´'."""
    return "".join(_ALPHABET[byte] for byte in text.encode())


def unspell(token: str) -> bytes:
    """The bytes that a token stands for; they need not be whole characters."""
    return bytes(_BYTES[char] for char in token)


def learn(words: Iterable[str]) -> tuple[tuple[str, ...], tuple[Pair, ...]]:
    """Learn `(tokens, merges)` in which each of `words` is one token.

    Of equally frequent pairs the first in order is merged. Characters are made whole before words, so that no token
    ends inside a Chinese character of the list. The same words give the same result on every machine: only integers
    are counted and only strings compared.
    """
    distinct = list(dict.fromkeys(words))
    characters = sorted({char for word in distinct for char in word})
    merges = [*_join([list(spell(char)) for char in characters]), *_join([[spell(c) for c in w] for w in distinct])]
    return tuple(dict.fromkeys([*_ALPHABET.values(), *("".join(pair) for pair in merges)])), tuple(merges)


def _join(words: list[list[str]]) -> Iterator[Pair]:
    """The most frequent neighbours, joined wherever they stand, again and again until each word is one piece."""
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += 1
            where[pair].add(index)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    while heap:
        count, best = heappop(heap)
        if counts[best] != -count:  # an old entry: the pair has been counted again since
            continue
        yield best
        for index in sorted(where.pop(best)):
            before, words[index] = words[index], _merge(words[index], best)
            for pair in _recount(before, words[index], counts):
                where[pair].add(index)
                heappush(heap, (-counts[pair], pair))


def _recount(before: list[str], after: list[str], counts: Counter[Pair]) -> set[Pair]:
    """Move the counts from one cutting of a word to the next; the pairs whose count is now another, and not zero."""
    counts.subtract(pairwise(before))
    counts.update(pairwise(after))
    return {pair for pair in {*pairwise(before), *pairwise(after)} if counts[pair] > 0}


def _merge(word: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


FOLDER = DATA / "demo"

CONTENT, GENERAL, PIECE, FUNCTION, SPECIAL = 1.0, 0.45, 0.25, 0.08, 0.3
"""Share of a token's vector that the attention sees. The instruction's 19 tokens are nearly all of the class FUNCTION:
together they turn a query's vector a little and leave the ranking to the content words."""


@dataclass(frozen=True)
class WordMeaning:
    """What a word's direction is made from, and its weight in 0..1."""

    name: str
    weight: float


def read(name: str) -> str:
    """A data file of this package."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def meanings() -> dict[str, WordMeaning]:
    """Each word of the two data files, in lower case, with its meaning. ValueError for a word that stands twice."""
    known: dict[str, WordMeaning] = {}
    for word, meaning in _rows():
        if word.lower() in known and known[word.lower()] != meaning:
            raise ValueError(f"{word!r} stands under {known[word.lower()].name!r} and under {meaning.name!r}")
        known[word.lower()] = meaning
    return known


def _rows() -> Iterator[tuple[str, WordMeaning]]:
    for concept, words in yaml.safe_load(read("lexicon.yaml")).items():
        for word in words:
            yield word, WordMeaning(concept, CONTENT)
    for group, weight in (("function", FUNCTION), ("general", GENERAL), ("characters", PIECE)):
        for text in yaml.safe_load(read("words.yaml"))[group].values():
            for word in text.split():
                yield word, WordMeaning(f"word {word.lower()}", weight)


def spellings(word: str) -> tuple[str, ...]:
    """The forms in which a word is one token. A space before a capital is its own token: it saves 1,200 tokens."""
    if not word.isascii():
        return (word,)
    small = word.lower()
    return (f" {small}", small, word if word != small else word.capitalize())


@cache
def vocabulary() -> DemoVocabulary:
    """The demo model's vocabulary, learnt again from its word lists in about a second."""
    tokens, merges = learn(form for word, _ in _rows() for form in spellings(word))
    return DemoVocabulary(tokens=(*tokens, *SPECIAL_TOKENS), merges=merges)


def meaning_of(token: str) -> WordMeaning:
    """The meaning of a vocabulary token; a piece of a word means itself, and punctuation next to nothing."""
    if token in SPECIAL_TOKENS:
        return WordMeaning(token, SPECIAL)
    try:
        word = unspell(token).decode().strip().lower()
    except UnicodeDecodeError:  # a part of a character
        return WordMeaning(f"piece {token}", PIECE)
    return meanings().get(word) or WordMeaning(f"piece {word or token}", PIECE if word.isalnum() else FUNCTION)
