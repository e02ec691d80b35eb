"""Open WebUI in a container beside the real Ollama and bridge, as `embedstack up` sets it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from embedstack.deploy.plan import stores
from embedstack.deploy.webui.client import Webui
from tests.docker.container_command import in_containers
from tests.docker.images import Images, docker
from tests.stack_command import StackCommand
from tests.upstreams.load import wait_until

pytestmark = [pytest.mark.needs("compose", "rootfs", "ollama"), pytest.mark.thorough]

NAME = "es-webui"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, images: Images) -> Iterator[StackCommand]:
    """Ollama, the bridge and Open WebUI, up."""
    with in_containers(
        tmp_path_factory.mktemp("webui"), NAME, images, EMBEDSTACK_IMAGES_WEBUI=images.webui()
    ) as command:
        reported = command.data("up", "--mode", "docker", "--model", "demo", "--webui")
        assert [(part["name"], part["state"]) for part in reported["parts"]] == [
            ("ollama", "running"),
            ("bridge", "running"),
            ("open-webui", "running"),
        ]
        yield command


@pytest.fixture
def webui(stack: StackCommand) -> Iterator[Webui]:
    """Open WebUI, its administrator signed in."""
    with closing(Webui(stack.webui)) as webui:
        _sign_in(webui, stack)
        yield webui


def _sign_in(webui: Webui, stack: StackCommand) -> None:
    webui.sign_in("admin@localhost", stack.data("config", "secrets")["secrets"]["webui_admin_password"])


def test_set_as_it_should_be(webui: Webui) -> None:
    """It embeds through the bridge, by the bridge's name in the stack's network; nobody else can make an account."""
    reported = webui.embedding()

    assert (reported["RAG_EMBEDDING_ENGINE"], reported["RAG_EMBEDDING_MODEL"]) == ("ollama", "demo")
    assert reported["ollama_config"]["url"] == "http://bridge:11435"
    assert not webui.sign_up_is_open()
    assert webui.has_administrator()


def test_files_and_finds(webui: Webui) -> None:
    """What it files is embedded through the bridge, and found again by a question."""
    for content in ("员工每年享有十五天带薪休假。", "差旅费用凭发票报销。"):
        text = {"name": content, "content": content, "collection_name": "handbook"}
        assert webui.ask("POST", "/api/v1/retrieval/process/text", text)["status"] is True

    assert "带薪休假" in _found(webui)


def _found(webui: Webui) -> str:
    """The best paragraph of the handbook for a question."""
    query = {"collection_names": ["handbook"], "query": "公司年假政策有哪些?", "k": 1}
    return str(webui.ask("POST", "/api/v1/retrieval/query/collection", query)["documents"][0][0])


def _container(stack: StackCommand) -> dict[str, Any]:
    """What `embedstack status` says of Open WebUI's."""
    parts = json.loads(stack.run("status", "--json").stdout)["data"]["parts"]
    return next((part for part in parts if part["name"] == "open-webui"), {"restarts": -1, "state": "", "pid": None})


def test_up_again_changes_nothing(stack: StackCommand) -> None:
    """The same containers, and no step has anything left to do."""
    before = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}").split()

    again = stack.data("up", "--mode", "docker", "--model", "demo", "--webui")

    assert [step for step in again["steps"] if not step["already"]] == []
    assert docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}").split() == before


def test_killed_it_comes_back(stack: StackCommand) -> None:
    """Its main process killed from the host: it is started again, healthy, and finds what was filed before."""
    before = _container(stack)
    os.kill(before["pid"], signal.SIGKILL)

    wait_until(lambda: _container(stack)["restarts"] > before["restarts"], within=60, what="another process")
    wait_until(lambda: _container(stack)["state"] == "running", within=300, what="Open WebUI to be healthy")

    assert _container(stack)["pid"] != before["pid"]
    with closing(Webui(stack.webui)) as webui:
        _sign_in(webui, stack)
        assert "带薪休假" in _found(webui)


def test_settings_are_seen_and_mended_without_a_restart(stack: StackCommand, webui: Webui) -> None:
    """What was changed by hand, in a container too."""
    before = _container(stack)["pid"]
    webui.set_embedding({**webui.embedding(), "RAG_EMBEDDING_BATCH_SIZE": 1})
    assert stack.run("webui", "status").returncode == 1

    assert [each["name"] for each in stack.data("webui", "apply")["changed"]] == ["RAG_EMBEDDING_BATCH_SIZE"]
    assert stack.run("webui", "status").returncode == 0
    assert _container(stack)["pid"] == before


def test_a_container_without_the_role_is_made_again(stack: StackCommand) -> None:
    """Only its environment carries it: `webui apply` writes that, and has Compose make the container again, once."""
    _without_role(stack)
    assert stack.run("webui", "status").returncode == 1

    assert stack.data("webui", "apply")["restarted"]
    assert stack.run("webui", "status").returncode == 0
    assert not stack.data("webui", "apply")["restarted"]


def _without_role(stack: StackCommand) -> None:
    """The container as a stack had it that knew nothing of roles."""
    labels = json.loads(docker("inspect", "--format", "{{json .Config.Labels}}", f"{NAME}-open-webui-1"))
    project = "com.docker.compose.project"
    files = labels[f"{project}.config_files"].split(",")
    environment = stack.folder / "home" / "stacks" / NAME / "run" / "compose"
    lines = (environment / "webui.env").read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.partition("=")[0] not in stores.ENVIRONMENT]
    (environment / "webui.env").write_text("".join(kept))
    given = ["--project-name", NAME, "--env-file", str(environment / "compose.env")]
    named = [part for file in files for part in ("--file", file)]
    docker("compose", *given, *named, "up", "--detach", "--wait", "open-webui")


def test_a_lost_password_gets_a_new_one(stack: StackCommand) -> None:
    """Written into the database inside the container; `config secrets` has it."""
    new = stack.data("webui", "password")["password"]

    assert stack.data("config", "secrets")["secrets"]["webui_admin_password"] == new
    with closing(Webui(stack.webui)) as webui:
        webui.sign_in("admin@localhost", new)


def test_down(stack: StackCommand) -> None:
    """All three are stopped, and the documents' volume is kept."""
    assert stack.data("down")["stopped"] == ["ollama", "bridge", "open-webui"]
    assert f"{NAME}_open-webui" in docker("volume", "ls", "--quiet").split()
