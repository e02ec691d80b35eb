"""The settings of one program: its structs, and the names of its file, variables and sections. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, get_type_hints

import msgspec

from embedstack.configuration.setting import Setting, read_struct

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True)
class Schema(Generic[S]):
    """All settings of a program.

    Attributes:
        settings: a struct with one struct per section, in which every field has a default.
        prefix: of its environment variables, such as `EMBED_BRIDGE_`.
        file_name: of its YAML file.
        reserved: variables with the prefix that are not settings, besides the one that names the file.
    """

    settings: type[S]
    prefix: str
    file_name: str
    reserved: frozenset[str] = frozenset()

    @property
    def file_variable(self) -> str:
        """The variable that names the file."""
        return f"{self.prefix}CONFIG"

    @cached_property
    def table(self) -> dict[str, Setting]:
        """Every setting by its key, in the order of the structs."""
        hints = get_type_hints(self.settings)
        rows = [row for section, struct in hints.items() for row in read_struct(section, struct, self.prefix)]
        return {row.key: row for row in rows}

    @cached_property
    def sections(self) -> dict[str, str]:
        """Every section with its description."""
        hints = get_type_hints(self.settings)
        return {
            field.name: (hints[field.name].__doc__ or "").strip() for field in msgspec.structs.fields(self.settings)
        }

    def foreign(self, variable: str) -> bool:
        """Whether a variable is not a setting: without the prefix, reserved, or one that Kubernetes sets.

        Kubernetes gives every pod variables for the Services around it, and a Service may have the program's name.
        """
        link = rf"{re.escape(self.prefix)}(SERVICE_(HOST|PORT\w*)|PORT(_\d+_\w+)?)"
        own = variable.startswith(self.prefix) and variable not in {self.file_variable, *self.reserved}
        return not own or re.fullmatch(link, variable) is not None
