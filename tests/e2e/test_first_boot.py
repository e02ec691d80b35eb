"""Open WebUI as `up` leaves it."""

from __future__ import annotations

from tests.e2e.open_webui import OpenWebui


def test_the_stack_finds_what_is_meant(webui: OpenWebui) -> None:
    """A text file in a knowledge base, found by a question that shares no word with it."""
    knowledge = webui.knowledge("handbook")
    webui.upload("holiday.txt", "员工每年享有十五天带薪休假。".encode(), knowledge=knowledge)
    webui.upload("travel.txt", "差旅费用凭发票报销。".encode(), knowledge=knowledge)
    assert "带薪休假" in webui.found(knowledge, "公司年假政策有哪些?", k=1)[0]
