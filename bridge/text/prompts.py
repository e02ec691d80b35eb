"""Makes the exact text that the model must see, from what a request says about its role. Pure.

Two things decide: the *role* (query or document) and the *task* (retrieval by default). A symmetric task
(classification, clustering, sts, bitext) prefixes every text. Any other prefixes queries and leaves documents bare, as
Qwen's own evaluation does.

A client's own prompt that is nearly right is corrected to the form that the model was trained on. Some clients join
prompt and text with a space (LlamaIndex, qmd), and prompts from environment variables contain a literal `\n`: the text
then starts with another token than the model knows. A prompt is recognised if it begins with the style's first mark and
has the second at the start of a line. Only blanks around the marks and the line break between them are changed.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from embedstack.bridge.errors import BadRequest, shown
from embedstack.bridge.request import PromptHints
from embedstack.bridge.text.text import neutralise_special_tokens, normalise
from embedstack.models.catalog import PromptStyle, Task

_BLANKS = " \t"


class Correction:
    """Corrects prompts of one style. If the style puts the text after a blank, or on the line of the instruction, its
    prompts cannot be recognised from the text and stay as they are.
    """

    def __init__(self, style: PromptStyle) -> None:
        head, _, rest = style.template.partition("{instruction}")
        middle = rest.removesuffix("{text}")
        self._head, self._middle = head, middle
        self._mark = head.strip()
        second = middle.strip()
        self._applies = bool(self._mark and second) and middle[0] == "\n" and not middle[-1].isspace()
        self._break = re.compile(rf"(?:\r\n|\r|\n|\\n)[{_BLANKS}]*{re.escape(second)}[{_BLANKS}]*")
        self._fixed = tuple(_fixed(style.tasks.values()))

    def read(self, text: str, prefix: str) -> str | None:
        """The text as the style writes it, if it begins with a prompt of the style or nearly so; otherwise None.

        `prefix`: the prefix that the text would get, "" for none. Of the prefixes without an instruction, only this one
        is recognised, or any if it is "".
        """
        if self._applies and text.startswith(self._mark):
            return self._instructed(text)
        for fixed in self._fixed:
            if text.startswith(fixed) and prefix in ("", fixed):
                return fixed + text[len(fixed) :].lstrip(_BLANKS)
        return None

    def _instructed(self, text: str) -> str | None:
        found = self._break.search(text, len(self._mark))
        if found is None:
            return None
        instruction = text[len(self._mark) : found.start()].strip(f"{_BLANKS}\r\n")
        return f"{self._head}{instruction}{self._middle}{text[found.end() :]}"


def _fixed(templates: Iterable[str]) -> Iterable[str]:
    """The prefixes without an instruction that do not end with a blank, the longest first."""
    prefixes = {template.removesuffix("{text}") for template in templates if "{instruction}" not in template}
    return sorted((prefix for prefix in prefixes if prefix.strip() and not prefix[-1].isspace()), key=len, reverse=True)


# Body fields that name a role or a task, in the order in which a message lists them.
ROLE_FIELDS = ("input_type", "task", "prompt_name", "task_type", "text_type")
QUERY, DOCUMENT = "query", "document"
_DEFAULT = "default"  # the source of a role that the request does not name
_LONGEST_MISTYPED = 200
_TEXT_FOLLOWS = "\nQuery:"


@dataclass(frozen=True, slots=True)
class Intent:
    """A role, a task, or both; None if not given."""

    role: str | None = None
    task: str | None = None


# Cohere, Jina v3 and v4, Voyage, NVIDIA NIM, Gemini and sentence-transformers; compared in lower case.
_SYNONYMS: Mapping[str, Intent] = MappingProxyType(
    {
        **dict.fromkeys(
            ("query", "search_query", "retrieval.query", "retrieval_query", "query_passage"), Intent(role=QUERY)
        ),
        **dict.fromkeys(
            ("document", "passage", "search_document", "retrieval.passage", "retrieval_document", "doc"),
            Intent(role=DOCUMENT),
        ),
        **dict.fromkeys(("text-matching", "semantic_similarity", "similarity"), Intent(task="sts")),
        **dict.fromkeys(("separation",), Intent(task="clustering")),
        **dict.fromkeys(("question_answering",), Intent(role=QUERY, task="qa")),
        **dict.fromkeys(("code.query", "nl2code.query", "code_retrieval_query"), Intent(role=QUERY, task="code")),
        **dict.fromkeys(("code.passage", "nl2code.passage"), Intent(role=DOCUMENT, task="code")),
    }
)
SYNONYMS = tuple(_SYNONYMS)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prefix for each text of a request, and where it comes from. `prefix` "" leaves the text bare."""

    role: str
    task: str
    instruction: str | None
    prefix: str
    source: str

    @property
    def asks(self) -> bool:
        """Whether the texts may be queries: the request says so, or does not name a role."""
        return self.role == QUERY or self.source == _DEFAULT

    def length_in(self, text: str) -> int:
        """How many characters of a final text are its prompt, whether the client or the bridge wrote it."""
        if self.prefix and text.startswith(self.prefix):
            return len(self.prefix)
        return text.index(_TEXT_FOLLOWS) + len(_TEXT_FOLLOWS) if _is_rendered(text) else 0

    def render(self, text: str) -> str:
        if not self.prefix or _is_rendered(text) or text.startswith(self.prefix):
            return text
        return self.prefix + text


@dataclass(frozen=True, slots=True)
class Rendered:
    """Final texts in order, and the indices of those whose prompt was corrected."""

    texts: tuple[str, ...]
    corrected: tuple[int, ...]


class Prompts:
    """The tasks and the style of one model. `own`: tasks whose instruction is the user's, not the catalogue's.
    `default`: the role or task of a request that names none. `correct`: correct prompts that are nearly right.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        style: PromptStyle,
        *,
        own: Collection[str] = (),
        default: str = DOCUMENT,
        neutralise: bool = False,
        correct: bool = True,
    ) -> None:
        self._tasks = {name.lower(): task for name, task in tasks.items()}
        self._own = {name.lower() for name in own}
        self._style = style
        self._neutralise = neutralise
        self._correction = Correction(style)
        self._correct = correct
        self._default = self._intent(default, "prompts.default")

    def resolve(self, hints: PromptHints, alias: str | None = None) -> Prompt:
        """The prompt by the first of body, header, alias and default that names a role or task. BadRequest if the body
        contradicts itself or a name is unknown."""
        body = self._body_intent(hints)
        if hints.instruction is not None:
            role = (body and body[0].role) or QUERY
            return self._free(hints.instruction, role)
        if body:
            return self._prompt(*body)
        if hints.header:
            return self._prompt(self._intent(hints.header, "header X-Embed-Task"), "header X-Embed-Task")
        if alias:
            return self._prompt(self._intent(alias, "model alias"), "model alias")
        return self._prompt(self._default, _DEFAULT)

    @property
    def document_prefix(self) -> str:
        """The prefix for a text that the client says is a document."""
        return self._prompt(Intent(role=DOCUMENT), "").prefix

    def rendered(self, texts: Sequence[str], prompt: Prompt) -> Rendered:
        """The texts normalised, with special tokens as configured, each prefixed once."""
        cleaned = [self._cleaned(text) for text in texts]
        if not prompt.asks:
            return Rendered(tuple(map(prompt.render, cleaned)), ())
        final, corrected = [], []
        for index, text in enumerate(cleaned):
            own = self._correction.read(text, prompt.prefix)
            if own is None or (own != text and not self._correct):
                final.append(prompt.render(text))
                continue
            if own != text:
                corrected.append(index)
            final.append(own)
        return Rendered(tuple(final), tuple(corrected))

    def _cleaned(self, said: str) -> str:
        """A client's text or instruction, normalised, with special tokens as configured."""
        said = normalise(said)
        return neutralise_special_tokens(said) if self._neutralise else said

    def _body_intent(self, hints: PromptHints) -> tuple[Intent, str] | None:
        said = [(self._intent(value, field), field, value) for field, value in hints.fields]
        if not said:
            return None
        roles = {intent.role for intent, _, _ in said} - {None}
        tasks = {intent.task for intent, _, _ in said} - {None}
        if len(roles) > 1 or len(tasks) > 1:
            pairs = " and ".join(f"{field}={shown(value)}" for _, field, value in said)
            raise BadRequest(
                f"The request contradicts itself: {pairs} name different roles or tasks.",
                "Send one of them.",
                code="contradictory_roles",
            )
        merged = Intent(role=next(iter(roles), None), task=next(iter(tasks), None))
        return merged, "body " + ", ".join(field for _, field, _ in said)

    def _intent(self, name: str, where: str) -> Intent:
        key = name.strip().lower()
        if key in _SYNONYMS and (key in (QUERY, DOCUMENT) or key not in self._own):
            return _SYNONYMS[key]
        if key in self._tasks:
            return Intent(task=key)
        known = sorted({*self._tasks, *_SYNONYMS})
        near = difflib.get_close_matches(key[:_LONGEST_MISTYPED], known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise BadRequest(
            f"{where} is {shown(name)}, which is not a known role or task.",
            f"{hint}Known: {', '.join(known)}; or send the task in words as `instruction`.",
            code="unknown_role",
        )

    def _prompt(self, intent: Intent, source: str) -> Prompt:
        name = intent.task or intent.role or DOCUMENT
        task = self._tasks[name]
        role = intent.role or (DOCUMENT if task.instruction is None else QUERY)
        # `document` has an instruction only if the user gave it one, which then applies.
        applies = task.instruction is not None and (task.symmetric or role == QUERY or name == DOCUMENT)
        if not applies:
            return Prompt(role, name, None, "", source)
        return Prompt(role, name, task.instruction, self._prefix(name, str(task.instruction)), source)

    def _free(self, instruction: str, role: str) -> Prompt:
        if not instruction.strip():
            return Prompt(role, "instruction", None, "", "body instruction")
        instruction = self._cleaned(instruction)
        return Prompt(role, "instruction", instruction, self._prefix("", instruction), "body instruction")

    def _prefix(self, task: str, instruction: str) -> str:
        template = self._style.template if task in self._own else self._style.template_for(task)
        # An editor may write the user's own tasks and styles in decomposed form, as on a Mac.
        return normalise(template.removesuffix("{text}").replace("{instruction}", instruction))


def _is_rendered(text: str) -> bool:
    """Whether the client has prepended Qwen's prompt itself; it must not be added twice."""
    return text.startswith("Instruct: ") and _TEXT_FOLLOWS in text
