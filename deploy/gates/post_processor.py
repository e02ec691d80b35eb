"""What a tokenizer.json's post-processor adds to a text. Pure."""

from dataclasses import dataclass
from itertools import zip_longest

from embedstack.deploy.gates.hf_files import PostProcessor


@dataclass(frozen=True)
class Token:
    """`id` None where the processor does not say."""

    text: str
    id: int | None


@dataclass(frozen=True)
class Added:
    """The tokens before a text and behind it."""

    before: tuple[Token, ...]
    after: tuple[Token, ...]


def added(processor: PostProcessor) -> Added:
    """Of a processor of any kind that the `tokenizers` library has; one that is not known adds its own name."""
    match processor.type:
        case "Sequence":
            parts = [added(part) for part in processor.processors]
            before = [token for part in reversed(parts) for token in part.before]
            return Added(tuple(before), tuple(token for part in parts for token in part.after))
        case "TemplateProcessing":
            return _of_template(processor)
        case "ByteLevel":
            return Added((), ())
        case "RobertaProcessing" | "BertProcessing":
            return Added(_token(processor.cls), _token(processor.sep))
        case other:
            return Added((), (Token(f"what {other} adds", None),))


def _of_template(processor: PostProcessor) -> Added:
    before: list[Token] = []
    after: list[Token] = []
    side = before
    for piece in processor.single:
        if piece.sequence is not None:
            side = after
        elif piece.special is not None:
            side.extend(_meant(processor, piece.special.id))
    return Added(tuple(before), tuple(after))


def _meant(processor: PostProcessor, name: str) -> list[Token]:
    if (special := processor.special_tokens.get(name)) is None:
        return [Token(name, None)]
    return [Token(text or name, number) for text, number in zip_longest(special.tokens, special.ids)]


def _token(pair: tuple[str, int] | None) -> tuple[Token, ...]:
    return (Token(*pair),) if pair else ()
