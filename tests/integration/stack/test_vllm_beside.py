"""The same model twice, as `vllm.beside` serves it: its GGUF in Ollama, its bf16 weights in vLLM, a bridge before each.

The demo model has one precision, so a Hub of the tests' own has it at two, and a catalogue of one's own names it there.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml

from embedstack.models.demo.build import DemoFiles
from tests.engines.locate import locate
from tests.hub.content import Content, Small, on_disk
from tests.hub.server import Hub, running
from tests.stack_command import StackCommand, stack_command

pytestmark = [pytest.mark.needs("ollama", "vllm"), pytest.mark.thorough, pytest.mark.timeout(600)]

NAME, BESIDE = "twice", "twice-bf16"
REPOSITORY = "Qwen/Toy-Twice"
QUESTION, HOLIDAY, TRAVEL = "公司年假政策有哪些?", "员工每年享有十五天带薪休假。", "差旅费用凭发票报销。"


@pytest.fixture
def stack(demo: DemoFiles, tmp_path: Path) -> Iterator[StackCommand]:
    """A command whose Hub and catalogue have the model at both precisions."""
    ollama, vllm = locate("ollama"), locate("vllm")
    assert ollama is not None
    assert vllm is not None
    bf16 = _bf16(demo.hf, tmp_path / "bf16")
    files = {path.relative_to(bf16).as_posix(): _on_hub(path) for path in bf16.rglob("*") if path.is_file()}
    with running(Hub({**files, demo.gguf.name: on_disk(demo.gguf)}, repository=REPOSITORY)) as hub:
        more = {
            "EMBEDSTACK_MODEL_ID": NAME,
            "EMBEDSTACK_MODEL_CATALOG": str(_catalogue(tmp_path / "own.yaml", hub)),
            "EMBEDSTACK_HUB_ENDPOINT": hub.url,
            "EMBEDSTACK_ENGINE_CPU": "true",
            "EMBEDSTACK_VLLM_BESIDE": "true",
            "EMBEDSTACK_VLLM_PROGRAM": str(vllm.program("vllm")),
        }
        with stack_command(tmp_path, path=str(ollama.program("ollama").parent), **more) as command:
            yield command


def test_both_are_brought_up_and_are_two_models(stack: StackCommand) -> None:
    """Both are fetched and proved, each behind a bridge of its own; Ollama's does not answer to the other's name; the
    vectors are close and not the same; once more changes nothing.
    """
    reported = stack.data("up")

    assert [part["name"] for part in reported["parts"]] == ["ollama", "vllm", "bridge", "bridge-bf16"]
    smoked = [step["name"] for step in reported["steps"] if step["name"].startswith("smoke")]
    assert smoked == [f"smoke test of {NAME}", f"smoke test of {BESIDE}"]
    beside = f"http://127.0.0.1:{stack.ports['BRIDGE_BF16']}"
    texts = (HOLIDAY, TRAVEL)
    by_ollama, by_vllm = _embed(stack.bridge, NAME, *texts), _embed(beside, BESIDE, *texts)
    cosines = np.einsum("ij,ij->i", by_ollama, by_vllm)
    assert cosines.min() > 0.99
    assert cosines.max() < 1 - 1e-7
    for url, name in ((stack.bridge, NAME), (beside, BESIDE)):
        asked = _embed(url, name, QUESTION, input_type="query")
        assert np.argmax(asked @ _embed(url, name, *texts).T, axis=1).tolist() == [0]
    assert _asked(stack.bridge, BESIDE, *texts).status_code == 404
    assert stack.data("up")["unchanged"] is True


def _asked(url: str, model: str, *texts: str, **fields: object) -> requests.Response:
    return requests.post(f"{url}/api/embed", json={"model": model, "input": list(texts), **fields}, timeout=60)


def _embed(url: str, model: str, *texts: str, **fields: object) -> Any:
    """Vectors (n, 2560)."""
    answer = _asked(url, model, *texts, **fields)
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["embeddings"])


def _on_hub(path: Path) -> Content | Small:
    """As the Hub keeps it: weights as LFS, the rest in git."""
    return on_disk(path) if path.suffix == ".safetensors" else Small(path.read_bytes())


def _catalogue(path: Path, hub: Hub) -> Path:
    """The demo model's entry, under another name and as the Hub has it."""
    shipped = resources.files("embedstack") / "modelfiles"
    golden = yaml.safe_load(shipped.joinpath("demo", "golden.yaml").read_text())
    entry = yaml.safe_load(shipped.joinpath("catalog.yaml").read_text())["models"]["demo"]
    (file,) = entry["files"]
    there = {"repository": REPOSITORY, "revision": hub.revision}
    changes = {
        "hub_id": REPOSITORY,
        "display": None,
        "names": [],
        "files": [{**file, **there}],
        "safetensors": {**there, "sha256": None, "reason": "made for this test"},
        "reference": {**golden, "tolerances": {**golden["tolerances"], "bf16": 0.005}},
    }
    path.write_text(yaml.safe_dump({"models": {NAME: {**entry, **changes}}}, allow_unicode=True))
    return path


def _bf16(source: Path, folder: Path) -> Path:
    """The folder with its f16 weights rounded to bf16."""
    shutil.copytree(source, folder)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    for name in header.keys() - {"__metadata__"}:
        header[name]["dtype"] = "BF16"
    bits = np.frombuffer(data, "<f2", offset=8 + length).astype(np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")  # to the nearest, ties to even
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    weights.write_bytes(struct.pack("<Q", len(head)) + head + rounded.tobytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}))
    return folder
