"""The real Ollama takes the Modelfile that the toolkit renders."""

from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from embedstack.deploy.cli.app import app
from embedstack.models.demo.build import DemoFiles
from tests.engines.run import ollama_command, ollama_server


@pytest.mark.needs("ollama")
def test_ollama_creates_the_model_as_rendered(demo: DemoFiles, tmp_path: Path) -> None:
    """`ollama create -f` makes an embedding model with the context and batch that the Modelfile names."""
    rendered = CliRunner().invoke(app, ["model", "modelfile", str(demo.gguf), "--model", "demo", "--num-ctx", "4096"])
    assert rendered.exit_code == 0, rendered.output
    (tmp_path / "Modelfile").write_text(rendered.stdout, encoding="utf-8")
    with ollama_server(tmp_path / "models") as ollama:
        ollama_command(ollama, "create", "made", "-f", str(tmp_path / "Modelfile"))
        shown = requests.post(f"{ollama.url}/api/show", json={"model": "made"}, timeout=30).json()
    assert "embedding" in shown["capabilities"]
    parameters = dict(line.split() for line in shown["parameters"].splitlines())
    assert parameters == {"num_ctx": "4096", "num_batch": "4096"}
