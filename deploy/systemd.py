"""A systemd user unit that keeps a stack running. Pure."""

from collections.abc import Sequence
from pathlib import Path


def unit(stack: str, argv: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """The unit's text. `argv` begins with an absolute path and is run in `folder`."""
    variables = [f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items()]
    lines = [
        "[Unit]",
        f"Description=Embedstack: {_escaped(stack)}",
        "",
        "[Service]",
        f"WorkingDirectory={_escaped(str(folder))}",
        *variables,
        f"ExecStart={' '.join(_quoted(part.replace('$', '$$')) for part in argv)}",
        "Restart=on-failure",
        "RestartSec=5",
        # 2: a setting is wrong; 3: this machine is in the way. Neither gets better by itself.
        "RestartPreventExitStatus=2 3",
        "KillMode=mixed",
        "TimeoutStopSec=60",
        "UMask=0077",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """As systemd reads it: specifiers escaped, and in double quotes where it is not one plain word."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    plain = escaped == text and text and not any(character.isspace() or character in "';" for character in text)
    return text if plain else f'"{escaped}"'
