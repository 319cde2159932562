"""A real Chromium, and a server of the exported app whose explorer is on."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, ViewportSize, async_playwright, expect

from local.mongod import Mongod
from tests.functions.rules.conftest import PASSWORD, SETTINGS, known, met, users  # noqa: F401  fixtures
from tests.hosts import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
APP = "shop-abcde"
PATIENCE_MS = 60_000
PHONE, DESK = ViewportSize(width=390, height=844), ViewportSize(width=1280, height=800)

type Opened = Callable[..., Awaitable[Page]]


class Held:
    """Replies that come when they are let go."""

    def __init__(self) -> None:
        self._let_go = asyncio.Event()
        self._is_dropped = False
        self.asked = asyncio.Event()

    async def at(self, page: Page, last: str) -> "Held":
        """Hold those to a page from now on whose address ends so."""
        await page.route(f"**/{last}", self._hold)
        return self

    async def let_go(self, page: Page) -> None:
        """Let them go, and wait until the page has had time to show them."""
        self._let_go.set()
        await page.wait_for_load_state("networkidle")

    def drop(self) -> None:
        """Let them go, and have none come: what was sent may have been done."""
        self._is_dropped = True
        self._let_go.set()

    async def _hold(self, route: Route) -> None:
        self.asked.set()
        await self._let_go.wait()
        await (route.abort() if self._is_dropped else route.continue_())


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, which keeps pages that one leaves as it does for people; without one these tests did not run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: nothing was tried in a browser")
    async with async_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []  # root may not have one
        running = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=options, ignore_default_args=["--disable-back-forward-cache"]
        )
        expect.set_options(timeout=PATIENCE_MS)
        yield running
        await running.close()


@pytest.fixture(scope="session")
async def explored(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """server.py with the exported app and the explorer."""
    log = tmp_path_factory.mktemp("explorer") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, EXPLORER="on", APP_ID=APP, **SETTINGS) as running:
        yield running


@pytest.fixture
async def opened(browser: Browser, explored: Server, tmp_path: Path) -> AsyncIterator[Opened]:
    """Open the page in a context of its own; at the end it has complained of nothing and asked no other host."""
    contexts, faults = [], []

    async def open_(*, size: Any = DESK, scheme: Any = "light", path: str = "/explorer") -> Page:
        context = await browser.new_context(
            viewport=size, color_scheme=scheme, reduced_motion="reduce", permissions=["clipboard-write"]
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if _is_fault(message.text) else None)
        page.on(
            "request", lambda request: faults.append(request.url) if not request.url.startswith(explored.url) else None
        )
        await page.goto(explored.url + path)
        await page.wait_for_selector("#key")
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert faults == []


def _is_fault(text: str) -> bool:
    return not text.startswith("Failed to load resource")  # the browser's own line of a status from 400 on


async def sign_in(page: Page, key: str, path: str = "") -> None:
    """Sign in with a key, and open a collection or a view of it."""
    await page.fill("#key", key)
    await page.click("form button[type=submit]")
    await page.wait_for_selector("nav", state="attached")
    if path:
        await page.evaluate("path => { location.hash = path }", path)


def link(page: Page, collection: str, database: str = "shop") -> Locator:
    """Return the link to a collection of a database: other databases may have one of the same name."""
    of_database = page.locator(f'nav a[data-database="{database}"]')
    return of_database.and_(page.get_by_role("link", name=collection, exact=True))


async def write(page: Page, label: str, text: str) -> None:
    """Write into an editor."""
    await page.get_by_label(label, exact=True).fill(text)


async def log_in_as(page: Page, email: str, path: str) -> None:
    """Sign in as a user, and open a collection."""
    await page.get_by_role("radio", name="E-mail").check()
    await page.get_by_role("textbox", name="E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_text("App id and data source").click()
    await page.get_by_label("App id").fill(APP)
    await page.click("form button[type=submit]")
    await page.wait_for_selector("nav", state="attached")
    await page.evaluate("path => { location.hash = path }", path)
