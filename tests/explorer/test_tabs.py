"""Several tabs of one browser, and a page that is left and come back to."""

from typing import Any

from playwright.async_api import Page, expect

from tests.explorer.conftest import PATIENCE_MS, Opened, log_in_as, sign_in
from tests.functions.rules.conftest import Known
from tests.hosts import Server, eventually

ITEMS, ORDERS = "/shop/items", "/shop/orders"
OPEN = "table.documents button.open"


async def beside(page: Page) -> Page:
    """Open the explorer in another tab of the same browser."""
    other = await page.context.new_page()
    other.set_default_timeout(PATIENCE_MS)
    await other.goto(page.url.partition("#")[0])
    await other.wait_for_selector("#key")
    return other


async def changed(page: Page, text: str) -> Any:
    """Open the only document, and write a text into it."""
    await page.locator(OPEN).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill(text)
    return dialog


async def test_each_tab_is_of_who_signed_in_there(
    opened: Opened, explored: Server, known: Known, driver: Any, database: Any
) -> None:
    ann, bob = await known(explored, "ann@shop.example"), await known(explored, "bob@shop.example")
    await database.orders.insert_many([{"_id": "hers", "owner": ann.id}, {"_id": "his", "owner": bob.id}])
    one = await opened()
    other = await beside(one)
    await log_in_as(one, "ann@shop.example", ORDERS)
    await log_in_as(other, "bob@shop.example", ORDERS)
    await expect(one.locator(OPEN)).to_have_accessible_name("Open the document hers")
    await expect(other.locator(OPEN)).to_have_accessible_name("Open the document his")
    sessions = await driver.dozen.sessions.count_documents({})
    await one.get_by_role("button", name="Sign out").click()
    await expect(one.locator("#key")).to_be_visible()
    await other.get_by_role("button", name="Find").click()

    await expect(other.locator(OPEN)).to_have_accessible_name("Open the document his")
    assert "hers" not in await one.content()
    await eventually(lambda: _has(driver.dozen.sessions, sessions - 1))


async def _has(collection: Any, count: int) -> bool:
    return bool(await collection.count_documents({}) == count)


async def test_of_two_tabs_that_change_a_document_the_second_is_told(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "n": 0})
    one = await opened()
    other = await beside(one)
    await sign_in(one, key, ITEMS)
    await sign_in(other, key, ITEMS)
    first, second = await changed(one, '{"_id": 1, "n": 1}'), await changed(other, '{"_id": 1, "n": 2}')
    await first.get_by_role("button", name="Save").click()
    await expect(first).to_have_count(0)
    await second.get_by_role("button", name="Save").click()
    await expect(second.locator("mark")).to_have_text('  "n": 1\n')
    await second.get_by_role("button", name="Keep what I wrote").click()
    await second.get_by_role("button", name="Save").click()
    await expect(second).to_have_count(0)

    assert await database.items.find_one() == {"_id": 1, "n": 2}


async def test_what_a_tab_has_deleted_is_not_brought_back_by_another(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "n": 0})
    one = await opened()
    other = await beside(one)
    await sign_in(one, key, ITEMS)
    await sign_in(other, key, ITEMS)
    first, second = await changed(one, "{}"), await changed(other, '{"_id": 1, "n": 2}')
    await first.get_by_role("button", name="Delete").click()
    await first.get_by_role("button", name="Delete for good").click()
    await expect(first).to_have_count(0)
    await second.get_by_role("button", name="Save").click()

    await expect(second.get_by_role("alert")).to_contain_text("It is not there any more")
    await expect(second.get_by_role("textbox")).to_have_value('{"_id": 1, "n": 2}')
    assert await database.items.find_one() is None


async def test_whoever_comes_back_by_the_browsers_own_cache_is_to_sign_in(
    opened: Opened, explored: Server, key: str, database: Any
) -> None:
    await database.items.insert_one({"_id": 1, "secret": "unspoken"})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    await page.evaluate("window.kept = 'the very page'")
    await page.goto(f"{explored.url}/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    await page.go_back(wait_until="commit")

    assert await page.evaluate("window.kept") == "the very page"
    await expect(page.locator("#key")).to_have_value("")
    assert "unspoken" not in await page.content()
    assert [url for url in sent if "/action/" in url] == []
