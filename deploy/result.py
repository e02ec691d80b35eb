"""What a command has to say, as JSON for scripts: one envelope for every command, versioned."""

import json
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

from rich.console import RenderableType

from embedstack.deploy.errors import DeployError

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields come without notice."""


class Data(Protocol):
    """A frozen dataclass: its fields are the JSON, and `__rich__` is what a person reads."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __rich__(self) -> RenderableType: ...


def success(command: str, data: Data) -> str:
    """`{"schema": 1, "command": …, "ok": true, "data": {…}}`"""
    return _json(command, True, data=asdict(data))


def failure(command: str, error: DeployError) -> str:
    """`{"schema": 1, "command": …, "ok": false, "error": {"code", "message", "advice", "exit_code"}}`"""
    told = {"code": error.code, "message": error.message, "advice": error.advice, "exit_code": error.exit_code}
    return _json(command, False, error=told)


def _json(command: str, ok: bool, **rest: object) -> str:
    envelope = {"schema": SCHEMA, "command": command, "ok": ok, **rest}
    return json.dumps(envelope, ensure_ascii=False, indent=2, default=str)
