"""What is reported of a model that Ollama has fetched itself."""

from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from embedstack.deploy.console import Report
from embedstack.deploy.errors import InvalidModel
from embedstack.deploy.models import pull_ollama
from embedstack.deploy.models.create import WantedModel
from embedstack.deploy.models.pull_ollama import PulledByOllama

PULLED = PulledByOllama("qwen3-embedding:4b", "qwen3-embedding:4b", "Q4_K_M", "http://x", "d", "s", True, 8192, ())
CREATE = "embedstack model create qwen3-embedding:4b --quantisation Q4_K_M"


def test_other_weights_are_reported_with_the_command_that_makes_the_right_ones() -> None:
    """As it has to be typed, name and all."""
    console = Console(width=200)
    with console.capture() as shown:
        console.print(replace(PULLED, same=False))
        console.print(PULLED)

    assert shown.get().count(f"`{CREATE}`") == 1


def test_what_the_library_has_not_is_made_from_the_hub() -> None:
    """By the same kind of command; and what a person is shown to type can be typed."""
    with pytest.raises(InvalidModel) as reported:
        pull_ollama.pull(WantedModel("demo"), Report("model pull", as_json=True), url="http://x", keep_alive=0)

    assert "`embedstack model create " in reported.value.advice
    helped = CliRunner().invoke(app, ["model", "create", "--help"], env={"COLUMNS": "200"}).stdout
    assert all(option in helped for option in ("--quantisation", "--endpoint"))
