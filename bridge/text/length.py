"""Does a text fit the engine's context? Counted only where it may not. Pure but for the lazily built tokenizer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedstack.bridge.errors import TooLong
from embedstack.bridge.request import OnTooLong

if TYPE_CHECKING:
    from tokenizers import Tokenizer  # 4 MB that most bridges never need

# Kept free of an engine's context: one token for EOS, and one that Ollama reserves for a BOS that Qwen3 never uses
# (adjustTokenLimit). vLLM too wants some room: it has stopped answering (vLLM #29496).
RESERVED_TOKENS = 2


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text that fits, and whether it had to be cut for it."""

    text: str
    truncated: bool = False


def limit_of(context: int) -> int:
    """How many tokens of text, EOS not counted, fit a context of so many tokens."""
    return max(1, context - RESERVED_TOKENS)


class LengthGuard:
    """Fits final texts into `limit` tokens. `load` is awaited once, at the first text that has to be counted."""

    def __init__(self, limit: int, load: Callable[[], Awaitable["Tokenizer"]]) -> None:
        self.limit = limit
        self._load = load
        self._loaded: tuple[Tokenizer, int] | None = None
        self._lock = asyncio.Lock()

    def surely_fits(self, text: str) -> bool:
        """Byte-level BPE never makes more tokens than UTF-8 bytes, and a character is at most 4 of those."""
        length = len(text)
        return length * 4 <= self.limit or (length <= self.limit and len(text.encode()) <= self.limit)

    async def fit(self, text: str, index: int, on_too_long: OnTooLong, *, keep: int = 0) -> Fitted:
        """The text, or what is left of it after a cut; where that is at the start, the first `keep` characters stay.
        TooLong, with the count, where it may not be cut."""
        if self.surely_fits(text):
            return Fitted(text)
        tokens, exact = await self.count(text)
        if tokens <= self.limit:
            return Fitted(text)
        if on_too_long == "error":
            amount = str(tokens) if exact else f"more than {tokens - 1}"
            raise TooLong(
                f"input {index} has {amount} tokens; the limit is {self.limit}.",
                "Split it, or embed its beginning alone: send `truncate: true` to /api/embed or /v1/embeddings.",
            )
        tokenizer, window = await self._get()
        if on_too_long == "truncate":
            return Fitted(await asyncio.to_thread(cut_to, tokenizer, text[:window], self.limit), truncated=True)
        head, tail = text[:keep], text[keep:][-window:]
        return Fitted(await asyncio.to_thread(cut_start_to, tokenizer, head, tail, self.limit), truncated=True)

    async def count(self, text: str) -> tuple[int, bool]:
        """Tokens of a text, EOS not counted, and whether that is exact: past the window it is only "at least"."""
        tokenizer, window = await self._get()
        head = text[:window]
        ids = await asyncio.to_thread(lambda: tokenizer.encode(head, add_special_tokens=False).ids)
        return len(ids), len(head) == len(text)

    async def _get(self) -> tuple["Tokenizer", int]:
        async with self._lock:
            if self._loaded is None:
                tokenizer = await self._load()
                self._loaded = tokenizer, (self.limit + 1) * await asyncio.to_thread(longest_token, tokenizer)
            return self._loaded


def longest_token(tokenizer: "Tokenizer") -> int:
    """Bytes of the longest token, so that (limit + 1) times as many characters are surely more than `limit` tokens."""
    return max(len(token.encode()) for token in tokenizer.get_vocab())


def cut_to(tokenizer: "Tokenizer", text: str, limit: int) -> str:
    """The longest head of `text`, whole characters, that is at most `limit` tokens when tokenized by itself.

    A cut can fall inside a character (byte-level tokens) or change how the last word is split, so the head is counted
    again and shortened until it fits.
    """
    keep = limit
    while keep > 0:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        if len(encoding.ids) <= limit:
            return text
        # A token that continues a character has that character's offset: the cut falls before the whole character.
        text = text[: encoding.offsets[keep][0]]
        keep -= 1
    return ""


def cut_start_to(tokenizer: "Tokenizer", head: str, text: str, limit: int) -> str:
    """`head` and the longest end of `text`, whole characters, that together are at most `limit` tokens; `head` alone
    where it leaves no room.

    Counted again and shortened like `cut_to`, and for the same reasons.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    room = limit - len(tokenizer.encode(head, add_special_tokens=False).ids)
    for keep in range(min(room, len(encoding.ids)), 0, -1):
        cut = head + text[encoding.offsets[-keep][0] :]
        if len(tokenizer.encode(cut, add_special_tokens=False).ids) <= limit:
            return cut
    return head
