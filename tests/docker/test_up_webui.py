"""Open WebUI in a container beside the real Ollama and bridge, as `embedstack up` sets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.webui.client import Webui
from tests.docker.container_command import in_containers
from tests.docker.images import Images, docker
from tests.stack_command import StackCommand

pytestmark = [pytest.mark.needs("compose", "rootfs", "ollama"), pytest.mark.thorough]

NAME = "es-webui"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, images: Images) -> Iterator[StackCommand]:
    """Ollama, the bridge and Open WebUI, up."""
    with in_containers(
        tmp_path_factory.mktemp("webui"), NAME, images, EMBEDSTACK_IMAGES_WEBUI=images.webui()
    ) as command:
        told = command.data("up", "--mode", "docker", "--model", "demo", "--webui")
        assert [(part["name"], part["state"]) for part in told["parts"]] == [
            ("ollama", "running"),
            ("bridge", "running"),
            ("open-webui", "running"),
        ]
        yield command


@pytest.fixture
def webui(stack: StackCommand) -> Iterator[Webui]:
    """Open WebUI, its administrator signed in."""
    webui = Webui(stack.webui)
    try:
        webui.sign_in("admin@localhost", stack.data("config", "secrets")["secrets"]["webui_admin_password"])
        yield webui
    finally:
        webui.close()


def test_set_as_it_should_be(webui: Webui) -> None:
    """It embeds through the bridge, by the bridge's name in the stack's network; nobody else can make an account."""
    told = webui.embedding()

    assert (told["RAG_EMBEDDING_ENGINE"], told["RAG_EMBEDDING_MODEL"]) == ("ollama", "demo")
    assert told["ollama_config"]["url"] == "http://bridge:11435"
    assert not webui.sign_up_is_open()
    assert webui.has_administrator()


def test_files_and_finds(webui: Webui) -> None:
    """What it files is embedded through the bridge, and found again by a question."""
    for content in ("员工每年享有十五天带薪休假。", "差旅费用凭发票报销。"):
        text = {"name": content, "content": content, "collection_name": "handbook"}
        assert webui._ask("POST", "/api/v1/retrieval/process/text", text)["status"] is True

    query = {"collection_names": ["handbook"], "query": "公司年假政策有哪些?", "k": 1}
    found = webui._ask("POST", "/api/v1/retrieval/query/collection", query)

    assert "带薪休假" in found["documents"][0][0]


def test_up_again_changes_nothing(stack: StackCommand) -> None:
    """The same containers, and no step has anything left to do."""
    before = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}").split()

    again = stack.data("up", "--mode", "docker", "--model", "demo", "--webui")

    assert [step for step in again["steps"] if not step["already"]] == []
    assert docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={NAME}").split() == before


def test_down(stack: StackCommand) -> None:
    """All three are stopped, and the documents' volume is kept."""
    assert stack.data("down")["stopped"] == ["ollama", "bridge", "open-webui"]
    assert f"{NAME}_open-webui" in docker("volume", "ls", "--quiet").split()
