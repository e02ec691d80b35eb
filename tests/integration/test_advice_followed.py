"""An advice about a bridge that runs, taken out of what is printed or answered, followed as it stands there, works."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from embedstack.deploy.smoke import run
from embedstack.deploy.webui.settings import put
from tests.bridge_process import bridge
from tests.followed import Said, good, refused, typed
from tests.stacks import EMBEDDED, Stacks
from tests.upstreams.open_webui import scripted
from tests.upstreams.server import Connection, Request, serve

KEY = "a-key-of-an-administrator"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, key or settings of the machine are in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EMBEDSTACK_MODEL_ID", "demo")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "4000")
    for name in ("EMBEDSTACK_KEY", "EMBEDSTACK_BRIDGE_KEY", "EMBEDSTACK_WEBUI_TOKEN"):
        monkeypatch.delenv(name, raising=False)


async def _page(_: Request, connection: Connection) -> None:
    await connection.answer(200, b"<html>")


def test_a_command_is_given_the_bridge_that_it_lacks(
    stacks: Stacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody answers, where a web page does, for a model that nobody knows, and with a file that cannot be
    written: each flag as it is printed, and then all is well.
    """
    monkeypatch.setattr(run, "_pace", lambda _: None)  # it takes its time, and is for tests/integration/test_smoke.py
    real = stacks[EMBEDDED].bridge.url
    url = refused("Start it, or name its address with --url", "cache", "stats", "--url", NOWHERE).flag("--url")
    good("cache", "stats", url, real)

    smoke = ("smoke", "--model", "demo")
    assert url == refused("Start it, or name its address with --url", *smoke, "--url", NOWHERE).flag("--url")
    with serve(_page) as page:
        url = refused("Name the address of one of these with --url", *smoke, "--url", page).flag("--url")
    unknown = ("smoke", "--model", "nope", url, real)
    model = refused("Give the name of a model of the catalogue with --model", *unknown).flag("--model")
    named = ("smoke", url, real, model, "demo")
    junit = refused("Name another with --junit", *named, "--junit", "/proc/none/smoke.xml").flag("--junit")
    good(*named, junit, str(tmp_path / "smoke.xml"))

    assert (tmp_path / "smoke.xml").read_text().startswith("<")


def _answer(url: str, texts: list[str], **headers: str) -> requests.Response:
    return requests.post(f"{url}/api/embed", json={"model": "demo", "input": texts}, headers=headers, timeout=60)


_ASKED = (
    (["x"] * 3, {}, "limits.texts", "or raise limits.texts", "16"),
    (["x" * 1_500], {}, "limits.text_bytes", "or raise limits.text_bytes", "8 KiB"),
    (["x" * 900] * 6, {}, "limits.body_bytes", "or raise limits.body_bytes", "1 MiB"),
    (
        ["x"],
        {"Host": "b.example.org"},
        "security.allowed_hosts",
        "add the name to security.allowed_hosts",
        "[b.example.org]",
    ),
    (
        ["x"],
        {"Origin": "https://c.example.org"},
        "security.allowed_origins",
        "Add the origin to security.allowed_origins",
        "[https://c.example.org]",
    ),
)
"""What is asked, and the setting that is named against it, with a value under which it is answered."""


def test_what_a_bridge_refuses_it_takes_with_what_is_advised(stacks: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings by their names in the answers; the administrator's key in the variable, the flag and the header."""
    own = ("--set", "engine.kind=openai", "--set", "model.id=demo", "--set", f"security.admin_key={KEY}")
    own += ("--set", "engine.model=demo", "--set", "engine.context=4096")
    small = ("limits.texts=2", "limits.text_bytes=1000", "limits.body_bytes=4096", f"engine.url={NOWHERE}")
    with bridge(*own, *(word for one in small for word in ("--set", one)), wait_ready=False) as lost:
        lost.wait_state()
        reported = _answer(lost.url, ["x"]).text
        settings = [
            f"{Said(4, reported).advised('Start it, or correct engine.url').setting('engine.url')}={_real(stacks)}"
        ]
        for texts, headers, key, fragment, value in _ASKED:
            answer = _answer(lost.url, texts, **headers)
            settings.append(f"{Said(answer.status_code, answer.text).advised(fragment).setting(key)}={value}")

    with bridge(*own, *(word for one in settings for word in ("--set", one))) as found:
        answers = [_answer(found.url, texts, **headers) for texts, headers, *_ in _ASKED]
        assert [(answer.status_code, answer.text[:200]) for answer in answers if not answer.ok] == []
        at = ("--url", found.url)
        keyless = requests.get(f"{found.url}/v1/cache", timeout=10)
        Said(4, keyless.text).advised("Send that of security.admin_key_file")
        cache = refused("in EMBEDSTACK_KEY or with --key.", "cache", "stats", *at)
        trace = refused("for another one give it in EMBEDSTACK_KEY or with --key", "trace", "--once", *at)

        for verb, advised in ((("cache", "stats"), cache), (("trace", "--once"), trace)):
            good(*verb, *at, advised.flag("--key"), KEY)
            with monkeypatch.context() as given:
                given.setenv(advised.variable("EMBEDSTACK_KEY"), KEY)
                good(*verb, *at)
        header = {"Authorization": f"Bearer {KEY}"}
        assert requests.get(f"{found.url}/v1/cache", headers=header, timeout=10).status_code == 200


def _real(stacks: Stacks) -> str:
    return stacks[EMBEDDED].bridge.url


def test_an_open_webui_of_somebody_else_is_set_by_what_status_advises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has a scripted one's settings and a real bridge: what is printed for the one that was named sets that one,
    with the bridge that was named, which then expects its index; done, nothing differs any more.
    """
    before = put.fields("other", NOWHERE, "", batch=1, concurrency=0) | {"openai_config": {"url": "", "key": ""}}
    with bridge("--demo", "--set", "engine.threads=1") as own, scripted(is_set=dict(before)) as server:
        real = own.url
        words = ("webui", "status", "--bridge", real)
        url = refused("Name that with --url", *words).flag("--url")
        named = (*words, url, server.url)
        variable = refused("Put it into EMBEDSTACK_WEBUI_TOKEN", *named).variable("EMBEDSTACK_WEBUI_TOKEN")
        monkeypatch.setenv(variable, "token")

        typed(*refused("`embedstack webui apply` sets what differs", *named).command())

        assert server.is_set["ollama_config"]["url"] == real
        assert server.is_set["RAG_EMBEDDING_MODEL"] == "demo"
        assert "set as it should be" in good(*named).text
