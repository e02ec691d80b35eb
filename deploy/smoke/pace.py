"""How fast a server embeds: measured and reported, never judged.

How many tokens a second a server embeds, by the length of the texts: measured and reported, never judged.
"""

import secrets
import statistics
import time
from dataclasses import dataclass

from embedstack.deploy.smoke.server import EmbeddingServer

ALONE, TOGETHER = 10, 32  # texts
MOST_SECONDS = 20.0  # for the texts alone; a model on a CPU may take seconds each


@dataclass(frozen=True)
class MeasuredPace:
    """Milliseconds for a short text alone, at the median, and texts a second in one request."""

    latency_ms: float
    texts_per_second: float


def measure(server: EmbeddingServer) -> MeasuredPace:
    """Of texts that no cache can hold. BridgeRefused."""
    marked = secrets.token_hex(8)
    times: list[float] = []
    while len(times) < ALONE and sum(times) < MOST_SECONDS:
        began = time.perf_counter()
        server.embed([f"What is the capital of country {marked} {len(times)}?"])
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    server.embed([f"Paragraph {number} of document {marked} says what nobody has asked." for number in range(TOGETHER)])
    return MeasuredPace(statistics.median(times) * 1000, TOGETHER / (time.perf_counter() - began))


LENGTHS = (128, 512, 2048)
"""Tokens of a text: a paragraph, a page's part, some pages. What a chunk of a knowledge base is lies between."""
MOST_TOKENS, MOST_TEXTS, MOST_THROUGHPUT_SECONDS = 16_384, 64, 5.0
"""Of each length: enough to keep a GPU busy for a while, and an end where it is a processor that computes."""
REQUEST_TOKENS, REQUEST_TEXTS = 4096, 16
WORD = "and"


@dataclass(frozen=True)
class Throughput:
    """`texts` texts that were meant to be of `length` tokens, and are of `tokens` on average, as the server counts."""

    length: int
    tokens: float
    texts: int
    texts_per_second: float
    tokens_per_second: float

    def __str__(self) -> str:
        return (
            f"{self.tokens_per_second:,.0f} tokens/s, {self.texts_per_second:.1f} texts/s "
            f"of {self.tokens:.0f} tokens each"
        )


def throughput(server: EmbeddingServer, length: int) -> Throughput:
    """Of texts of so many tokens, which no cache can hold. BridgeRefused."""
    marked = secrets.token_hex(8)
    words = _words(server, marked, length)
    many, at_once = min(MOST_TEXTS, MOST_TOKENS // length), max(1, min(REQUEST_TEXTS, REQUEST_TOKENS // length))
    tokens, texts = 0, 0
    began = time.perf_counter()
    while texts < many and time.perf_counter() - began < MOST_THROUGHPUT_SECONDS:
        some = [_text(f"{marked} {number}", words) for number in range(texts, texts + at_once)]
        tokens += server.embed(some).tokens or length * at_once
        texts += at_once
    seconds = time.perf_counter() - began
    return Throughput(length, tokens / texts, texts, texts / seconds, tokens / seconds)


BRIEF_SECONDS, BRIEF_WORDS, QUICK = 3.0, 100, 0.2
"""Of `brief`: about as long as a paragraph; a server that is quick with one text gets several at once."""


def brief(server: EmbeddingServer) -> float:
    """Tokens a second in some three seconds, or in the one text that took longer. BridgeRefused."""
    marked = secrets.token_hex(8)
    server.embed([_text(f"{marked} first", 1)])  # loads the model where it was not
    at_once, tokens, number = 1, 0, 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < BRIEF_SECONDS or not tokens:
        some = [_text(f"{marked} {number + one}", BRIEF_WORDS) for one in range(at_once)]
        tokens += server.embed(some).tokens or BRIEF_WORDS * at_once
        if number == 0 and time.perf_counter() - began < QUICK:
            at_once = REQUEST_TEXTS
        number += len(some)
    return tokens / passed


def _words(server: EmbeddingServer, marked: str, length: int) -> int:
    """How many words fill a text up to so many tokens, by the server's own count; where it counts none, all of them."""
    none, some = (server.embed([_text(f"{marked} {number}", number)]).tokens for number in (0, 100))
    if none is None or some is None or some <= none:
        return length
    return max(1, round((length - none) * 100 / (some - none)))


def _text(begin: str, words: int) -> str:
    return " ".join([begin, *(WORD for _ in range(words))])
