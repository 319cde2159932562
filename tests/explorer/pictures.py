"""`python -m tests.explorer.pictures`: takes the pictures of docs/explorer.md, of the sample data."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from admin import sample
from local.mongod import Mongod
from shared.auth.keys import new_key
from tests.explorer.conftest import CHROMIUM, DESK, PHONE, sign_in
from tests.hosts import ROOT, Server

FOLDER = ROOT / "docs" / "explorer"
FILMS = "/sample_films/films"


async def main() -> None:
    """Serve the sample data, and look at it."""
    with tempfile.TemporaryDirectory() as folder, Mongod(Path(folder) / "data") as mongod:
        await asyncio.to_thread(sample.load, mongod.uri)
        made, stored = new_key("pictures", system=True)
        async with (
            Server(Path(folder) / "log", MONGO_DB_URI=mongod.uri, EXPLORER="on") as server,
            async_playwright() as playwright,
        ):
            await mongod_insert(mongod.uri, stored)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            await take(browser, server, made)
            await browser.close()


async def mongod_insert(uri: str, stored: dict[str, object]) -> None:
    """Store the key."""
    from pymongo import AsyncMongoClient  # noqa: PLC0415

    async with AsyncMongoClient[dict[str, object]](uri) as client:
        await client["dozen"]["api_keys"].insert_one(stored)


async def take(browser: Browser, server: Server, key: str) -> None:
    """Take each picture."""
    FOLDER.mkdir(exist_ok=True)
    page = await browser.new_page(viewport=DESK, device_scale_factor=1)
    await page.goto(f"{server.url}/explorer")
    await sign_in(page, key, FILMS)
    await page.wait_for_selector(".verdict:not(:empty)")
    await page.get_by_label("Filter", exact=True).fill('{"year": {"$gt": 1990}, "genres": "Romance"}')
    await page.get_by_role("button", name="Find").click()
    await page.get_by_text("would help").wait_for()
    await page.screenshot(path=FOLDER / "documents.png")
    await page.get_by_role("tab", name="Schema").click()
    await page.wait_for_selector("table.schema")
    await page.screenshot(path=FOLDER / "schema.png")
    phone = await browser.new_page(viewport=PHONE, color_scheme="dark", device_scale_factor=1)
    await phone.goto(f"{server.url}/explorer")
    await sign_in(phone, key, FILMS)
    await phone.get_by_role("button", name="Open the document").first.click()
    await phone.wait_for_selector("dialog textarea")
    await phone.wait_for_timeout(500)
    await phone.screenshot(path=FOLDER / "document.png")


if __name__ == "__main__":
    asyncio.run(main())
