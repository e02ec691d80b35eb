"""What docs/zh/troubleshooting.md says of input that goes wrong in Chinese is what the bridge does."""

import re

import pytest
import requests

from tests.bridge_process import Bridge
from tests.documented import assert_shown
from tests.integration.clients.texts import same
from tests.paths import ROOT

_PAGE = (ROOT / "docs" / "zh" / "troubleshooting.md").read_text(encoding="utf-8")
_SECTION = _PAGE.partition("### 模型名里的全角字符")[2].partition("\n##")[0]
OURS = {"qwen3-embedding：4b": "demo：latest", "qwen3-embedding:4b": "demo:latest"}
TEXT = "年假"


def test_a_full_width_colon_in_a_name_is_refused_as_shown(bridge: Bridge) -> None:
    """With the name that was meant."""
    (shown,) = re.findall(r"```text\n(.*?)\n```", _SECTION, re.DOTALL)
    for name, ours in OURS.items():
        shown = shown.replace(name, ours)

    answer = bridge.post("/api/embed", {"model": "demo：latest", "input": TEXT})

    assert answer.status_code == 404
    assert_shown([shown], answer.json()["error"])


@pytest.mark.parametrize("name", ["demo＠query", "demo@query，32", "demo@３２"])
def test_other_full_width_characters_are_refused_too(bridge: Bridge, name: str) -> None:
    """None is taken for another role or size without a word."""
    assert bridge.post("/api/embed", {"model": name, "input": TEXT}).status_code in (400, 404)


def test_curved_quotes_are_refused_as_shown(bridge: Bridge) -> None:
    """As a word processor makes them of straight ones."""
    (shown,) = re.findall(r"弯引号.*?会得到 `(.*?)`", _SECTION)

    answer = requests.post(f"{bridge.url}/api/embed", data=f"{{“model”:“demo”,“input”:“{TEXT}”}}".encode(), timeout=60)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(shown)


def test_gbk_is_read_as_unknown_bytes(bridge: Bridge) -> None:
    """No error, and not the text's own vector, as the page warns."""
    body = f'{{"model":"demo","input":"{TEXT}"}}'.encode("gbk")

    answer = requests.post(f"{bridge.url}/api/embed", data=body, timeout=60)

    assert answer.status_code == 200
    assert not same(answer.json()["embeddings"], bridge.embed(TEXT))
