"""A byte-level BPE whose merges are learnt from a list of words, until every one of them is a single token.

Words rather than running text: what is whole in the list stays whole after a space or a Latin punctuation mark, in
every engine, because nothing but the merges decides. (User-defined added tokens are cut differently by llama.cpp and
by Hugging Face where two of them overlap.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise

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
        if counts[best] != -count:  # an old entry: the pair has been counted anew since
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
