"""Chromium on Open WebUI, with a few gestures of the person who sits before it, and a picture after each step."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

from tests.e2e.documents_page import Embedding

FOLDER = "SCREENSHOTS"
"""The variable that names where pictures are kept; build/screenshots of the checkout where it is not set."""
PROGRAMS = ("chromium", "google-chrome")  # Ubuntu has a Chromium as a snap alone
PATIENCE = 60_000.0  # milliseconds
SIZE: ViewportSize = {"width": 1280, "height": 800}
# Without a sandbox, since CI's user is root; nothing that asks the network by itself.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SOURCE = "View source: "  # how the label of each citation begins
_KNOWLEDGE = re.compile(r"/workspace/knowledge/([0-9a-f-]{36})$")
_ENDED = re.compile(r"\d [KM]?B|Failed")  # the size of a file that is in, where Uploading and Processing stood


@dataclass(frozen=True)
class Browser:
    """A page of Open WebUI at `url`. Every gesture ends when its effect is seen."""

    page: Page
    url: str

    def picture(self, name: str) -> None:
        """What is seen now, as NAME.png of 1280 by 800."""
        folder = Path(os.environ.get(FOLDER) or "build/screenshots")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(0, 0)
        self.page.screenshot(path=folder / f"{name}.png", animations="disabled", caret="hide")

    def visit(self) -> None:
        """Come without an account: it asks who you are."""
        self.page.goto(self.url)
        self.page.locator("#email").wait_for()

    def sign_in(self, email: str, password: str) -> None:
        self.visit()
        self.page.locator("#email").fill(email)
        self.page.locator("#password").fill(password)
        self.page.locator("button[type=submit]").click()
        self.page.locator("#chat-input").wait_for()

    def embedding(self) -> Embedding:
        """Open Admin Settings, Documents, where Embedding stands."""
        self.page.goto(f"{self.url}/admin/settings/documents")
        shown = Embedding(self.page)
        shown.show()
        return shown

    def new_knowledge(self, name: str, description: str) -> str:
        """Make a knowledge base and open it; its id."""
        self.page.goto(f"{self.url}/workspace/knowledge")
        self.page.get_by_text("Create", exact=True).click()
        self.page.get_by_placeholder("Name your knowledge base").fill(name)
        self.page.get_by_placeholder("Describe your knowledge base and objectives").fill(description)
        self.page.get_by_role("button", name="Create Knowledge").click()
        self.page.wait_for_url(_KNOWLEDGE)
        self.page.get_by_text("No files", exact=True).wait_for()
        found = _KNOWLEDGE.search(self.page.url)
        assert found
        return found[1]

    def upload(self, files: Sequence[Path]) -> None:
        """Upload files into the knowledge base that is open, and wait until its page says that each is in it."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_label("Add Content").click()
            self.page.get_by_text("Upload files").click()
        chooser.value.set_files(list(files))
        for file in files:
            row = self.page.locator("[data-knowledge-row]", has_text=file.name)
            ended = row.filter(has_text=_ENDED)
            ended.wait_for()
            assert "Failed" not in ended.inner_text()

    def write(self, question: str, knowledge: str) -> None:
        """Begin a chat with a question to a knowledge base, not yet sent."""
        self.page.goto(self.url)
        box = self.page.locator("#chat-input")
        box.click()
        self.page.keyboard.type(f"#{knowledge.split()[0]}")  # a space would end it
        self.page.get_by_role("button", name=knowledge).click()
        expect(box).to_have_text("")
        self.page.get_by_text("collection", exact=True).wait_for()
        box.click()
        self.page.keyboard.insert_text(question)
        expect(box).to_have_text(question)

    def send(self) -> Locator:
        """Send what is written; the answer, once it is whole, with its beginning on the screen."""
        self.page.keyboard.press("Enter")
        self.page.get_by_label("Regenerate").wait_for()
        self.page.locator("[id^=message-]").first.evaluate("question => question.scrollIntoView({block: 'start'})")
        return self.page.locator("#response-content-container")

    def sources(self, answer: Locator) -> list[str]:
        """The names of the files that an answer cites, in its order."""
        cited = answer.get_by_label(SOURCE)
        cited.first.wait_for()
        return [each.inner_text().strip() for each in cited.all()]

    def open_source(self, answer: Locator) -> str:
        """Open the first source of an answer; what is read there."""
        answer.get_by_label(SOURCE).first.click()
        opened = self.page.get_by_role("dialog")
        opened.get_by_text("Content").first.wait_for()
        return opened.inner_text()


@contextmanager
def browser(url: str) -> Iterator[Browser]:
    """Chromium with a profile of its own, until the block ends."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, f"none of {', '.join(PROGRAMS)} is installed (Debian: apt install chromium)"
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=ARGUMENTS, locale="en-US", viewport=SIZE
        )
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page = context.pages[0]
        # Release notes, which come over the first page that is seen after a sign-in.
        notes = page.get_by_role("button", name="Okay, Let's Go!")
        page.add_locator_handler(notes, lambda button: button.click())
        try:
            yield Browser(page, url)
        finally:
            context.close()
