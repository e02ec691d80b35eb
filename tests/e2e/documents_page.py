"""The section Embedding of Admin Settings, Documents, as a page shows it and as a person changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playwright.sync_api import Locator, Page

ENGINE = "Embedding Model Engine"


@dataclass(frozen=True)
class Embedding:
    """Its fields by their labels. The engine's values are `ollama` and `openai`."""

    page: Page

    def show(self) -> None:
        """Scroll it to the middle of what is seen."""
        self._field(ENGINE).wait_for()
        self._section.evaluate("section => section.scrollIntoView({block: 'start'})")

    def shown(self) -> dict[str, str]:
        """What stands in each field."""
        names = (ENGINE, "API Base URL", "Embedding Model", "Embedding Batch Size", "Embedding Concurrent Requests")
        return {name: self._field(name).input_value() for name in names}

    def change(self, wanted: Mapping[str, str]) -> None:
        """Fill fields, in that order, and save: another engine comes with a model of its own, which is run again."""
        for name, value in wanted.items():
            field = self._field(name)
            field.select_option(value) if name == ENGINE else field.fill(value)

    def save(self) -> None:
        self.page.get_by_role("button", name="Save").click()
        self.page.get_by_text("saved successfully").first.wait_for()

    def _field(self, label: str) -> Locator:
        """Some labels of that page name no field, so what stands in an empty one is asked for."""
        if label == ENGINE:
            return self.page.get_by_title("Select an embedding model engine")
        if label == "Embedding Model":
            return self._section.get_by_placeholder("Set embedding model")
        if label in ("API Base URL", "API Key"):
            return self._section.get_by_placeholder(label)
        return self._section.get_by_label(label)

    @property
    def _section(self) -> Locator:
        return self.page.locator("section", has=self.page.get_by_title("Select an embedding model engine"))
