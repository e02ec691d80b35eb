"""The application, and `@verb`, which adds a function to it: with the options that several verbs share, the settings
that the command line gives, the report, and the handling of errors.
"""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from embedstack.deploy import advice, config
from embedstack.deploy.config import SCHEMA, LoadedSettings, flag_of
from embedstack.deploy.console import INTERRUPTED, Data, Report, reporting
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.settings import Settings

app = typer.Typer(
    name="embedstack",
    help="Run Qwen3-Embedding on your own machine: the right vectors, with no change to the client.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong command line or setting, 3 this machine has to change first, "
    "4 a part is not healthy, 5 the Hub or its mirror did not deliver, 6 the index could no longer be searched, "
    "130 interrupted. docs/embedstack.md lists the error codes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_GROUPS = {"": app}

_NONE: Mapping[str, object] = {}
MODELS = "qwen3-embedding:0.6b, qwen3-embedding:4b, qwen3-embedding:8b, demo"
"""The models of the shipped catalogue, written out, so that help is printed without reading it."""

_JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
_COMMON: dict[str, object] = {
    "stack": Annotated[str | None, typer.Option("--stack", help="Name of the stack, if there are several.")],
    "config": Annotated[
        Path | None, typer.Option("--config", help="Settings file. Default: ./embedstack.yaml, else the user's own.")
    ],
    "settings": Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as ports.webui=8080. Repeat it for more."),
    ],
}


def text(flag: str, help_text: str) -> object:
    """An option for a setting, for `given`."""
    return Annotated[str | None, typer.Option(flag, help=help_text)]


def switch(flags: str, help_text: str) -> object:
    """One of two flags, as `--cpu/--gpu`."""
    return Annotated[bool | None, typer.Option(flags, help=help_text)]


Asked = Mapping[str, Any]
"""The values of a verb's own options, by parameter."""
Function = TypeVar("Function", bound=Callable[..., Data | None])


@dataclass(frozen=True)
class VerbRun:
    """One run of a verb.

    Attributes:
        stack, config, assignments: --stack, --config and --set, of those that the verb takes.
        flags: by setting, what its own options gave; None where one was not typed.
    """

    report: Report
    as_json: bool
    stack: str | None = None
    config: Path | None = None
    assignments: Sequence[str] = ()
    flags: Mapping[str, object] = field(default_factory=dict)

    def load(self, *, forget: bool = False, mode: str | None = None) -> LoadedSettings:
        """The settings: what the stack was brought up with, --set and the flags that were given on top, or those alone
        with `forget`; `mode` as if --mode had been given. InvalidSettings.
        """
        typed = {**self.flags, "stack.name": self.stack, **({"stack.mode": mode} if mode else {})}
        given = {key: value for key, value in typed.items() if value is not None}
        loaded = config.load(given, os.environ, file=self.config, assignments=self.assignments, forget=forget)
        advice.about(loaded.settings.stack.name, _typed(given, self.assignments, self.config))
        return loaded

    def settings(self) -> Settings:
        """Those of `load`, for verbs that need not know where they came from. InvalidSettings."""
        return self.load().settings

    def stack_name(self) -> str:
        """Which stack is meant, for verbs that ask it itself for the rest. InvalidSettings."""
        name = config.stack_name(self.stack, os.environ, file=self.config, assignments=self.assignments)
        advice.about(name)
        return name


def group(name: str, help_text: str) -> None:
    """Verbs of two words may begin with `name`."""
    _GROUPS[name] = typer.Typer(help=help_text, no_args_is_help=True)
    app.add_typer(_GROUPS[name], name=name)


def verb(
    words: str,
    epilog: str,
    *,
    takes: Sequence[str] = tuple(_COMMON),
    given: Mapping[str, object] = _NONE,
    interrupted: str | Callable[[Asked], str | None] = INTERRUPTED,
) -> Callable[[Function], Function]:
    """Make a function the verb `words`: what it returns is shown, and ends with its `exit_code` where it has one.

    A parameter `run: VerbRun` brings the options `takes` of those that several verbs have; without it there is --json
    alone. `given` are settings with an option of their own, by key: they stand in --help where `run` stands in the
    signature. `interrupted` is as for `reporting`, or says so once it knows what was asked.
    """

    def hang(function: Function) -> Function:
        own = inspect.signature(function, eval_str=True).parameters.values()
        place = [parameter.name for parameter in own if parameter.annotation is VerbRun]
        common = takes if place else ()

        def command(*, as_json: bool, **asked: Any) -> None:
            typed = {key: asked.pop(_name(key)) for key in given}
            shared = {name: asked.pop(name) for name in common}
            ending = interrupted(asked) if callable(interrupted) else interrupted
            with reporting(words, as_json=as_json, interrupted=ending) as report, _catalogue():
                assignments = shared.pop("settings", None) or ()
                run = VerbRun(report, as_json, **shared, assignments=assignments, flags=typed)
                if (found := function(**asked, **dict.fromkeys(place, run))) is not None:
                    report.show(found)
                    report.leave(getattr(found, "exit_code", 0))

        command.__signature__ = _signature(own, given, common)  # type: ignore[attr-defined]
        command.__doc__ = function.__doc__
        above, _, name = words.rpartition(" ")
        _GROUPS[above].command(name, epilog=epilog)(command)
        return function

    return hang


@contextmanager
def _catalogue() -> Iterator[None]:
    """Turn an error of the catalogue into one with advice."""
    try:
        yield
    except ValueError as error:
        from embedstack.models.catalog import CatalogError, NotInCatalog, WrongCatalog  # `--help` needs no catalogue

        if not isinstance(error, CatalogError):
            raise
        way = {
            NotInCatalog: "`embedstack model list` shows what there is.",
            WrongCatalog: "Correct it, or leave it out.",
        }
        raise InvalidModel(str(error), way.get(type(error), "")) from error


def _signature(
    own: Iterable[inspect.Parameter], given: Mapping[str, object], common: Iterable[str]
) -> inspect.Signature:
    """The options in the order of --help. Typer makes the command from it, and passes each value by its name."""
    options: list[inspect.Parameter] = []
    for parameter in own:
        if parameter.annotation is VerbRun:
            options += [_option(_name(key), option) for key, option in given.items()]
        else:
            options.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    options += [_option(name, _COMMON[name]) for name in common]
    return inspect.Signature([*options, _option("as_json", _JSON, default=False)])


def _name(key: str) -> str:
    return key.replace(".", "_")


def _option(name: str, option: object, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)


def _typed(flags: Mapping[str, object], assignments: Sequence[str], file: Path | None) -> list[advice.Words]:
    """The flags that were given, for a command that repeats them. A secret is masked."""
    short = [_words(key, value) for key, value in flags.items() if key != "stack.name"]
    rows = [assignment.partition("=") for assignment in assignments]
    shown = [f"{key}={SCHEMA.table[key].masked(text)}" for key, _, text in rows if key != "stack.name"]
    return [*short, *(("--set", text) for text in shown), *([("--config", str(file))] if file else [])]


def _words(key: str, value: object) -> advice.Words:
    flag = flag_of(key, value)
    return (flag,) if isinstance(value, bool) else (flag, str(value))
