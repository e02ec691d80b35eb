"""Options that more than one verb has."""

from pathlib import Path
from typing import Annotated

import typer

BRIDGE_URL = "http://127.0.0.1:11435"  # where a bridge listens unless told otherwise

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file. Default: ./embedstack.yaml, then the user's.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, as ports.webui=8080; may be repeated."),
]
Stack = Annotated[str | None, typer.Option("--stack", help="Which stack, where there are several.")]
