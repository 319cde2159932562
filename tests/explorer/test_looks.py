"""Who looks at the explorer: on a phone, in the dark, by keyboard, with a screen reader."""

import asyncio
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from tests.explorer.conftest import DESK, PHONE, Opened, link, log_in_as, sign_in
from tests.functions.rules.conftest import Known
from tests.hosts import Server

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
READY = {
    "documents": ".verdict:not(:empty)",
    "schema": "table.schema",
    "indexes": "tbody tr",
    "changes": "#panel button",
    "actions": "#panel select",
}


@pytest.fixture
async def films(database: Any) -> None:
    """Documents whose names and values are long, and of many types."""
    await database.items.insert_many(
        [
            {"_id": number, "title": "word " * 40, "w" * 60: "x" * 300, "at": {"deep": [{"a": 1.5}, None, True]}}
            for number in range(30)
        ]
    )


async def faults(page: Page) -> list[str]:
    """Return what axe finds wrong with the page as it is."""
    found = await Axe().run(page, options=RULES)
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_signing_in_is_open_to_all(opened: Opened, size: Any, scheme: str) -> None:
    page = await opened(size=size, scheme=scheme)

    assert await faults(page) == []


@pytest.mark.full
@pytest.mark.parametrize("view", READY)
@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
async def test_each_view_is_open_to_all(
    opened: Opened, key: str, films: None, view: str, size: Any, scheme: str
) -> None:
    page = await opened(size=size, scheme=scheme)
    await sign_in(page, key, f"/shop/items/{view}")
    await page.wait_for_selector(READY[view])

    assert await faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls to the side"


@pytest.mark.parametrize("button", ["Open the document 0", "New document", "Copy as…"])
async def test_each_dialog_is_open_to_all(opened: Opened, key: str, films: None, button: str) -> None:
    page = await opened(size=PHONE)
    await sign_in(page, key, "/shop/items")
    await page.wait_for_selector(READY["documents"])
    await page.get_by_role("button", name=button, exact=True).click()
    await page.wait_for_selector("dialog")

    assert await faults(page) == []
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)


async def test_the_keyboard_reaches_all_views(opened: Opened, key: str, films: None) -> None:
    page = await opened()
    await sign_in(page, key, "/shop/items")
    await page.wait_for_selector(READY["documents"])
    await page.locator("#tab-documents").focus()
    await page.keyboard.press("ArrowRight")
    await page.wait_for_selector(READY["schema"])

    await expect(page.locator("#tab-schema")).to_be_focused()
    await page.keyboard.press("End")
    await page.wait_for_selector(READY["actions"])
    await expect(page.locator("#tab-actions")).to_be_focused()


async def test_a_phone_has_the_collections_behind_a_button(opened: Opened, key: str, films: None) -> None:
    page = await opened(size=PHONE)
    await sign_in(page, key, "/shop/items")
    await expect(page.locator("nav")).to_be_hidden()
    await page.get_by_role("button", name="Collections").click()
    await link(page, "items").click()

    await expect(page.locator("nav")).to_be_hidden()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_what_is_chosen_is_in_sight(opened: Opened, key: str, films: None, database: Any, size: Any) -> None:
    await asyncio.gather(*(database.create_collection(f"before{number}") for number in range(30)))
    page = await opened(size=size)
    await sign_in(page, key, "/shop/items/actions")
    await page.wait_for_selector(READY["actions"])

    await expect(page.locator("[aria-selected=true]")).to_be_in_viewport(ratio=0.9)
    await page.locator(".menu").evaluate("menu => menu.checkVisibility() && menu.click()")
    await expect(page.locator("nav [aria-current]")).to_be_in_viewport(ratio=0.9)


async def test_a_phone_shows_the_shares_of_a_schema(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"maker": {"city": "Porto", "tags": ["a"]}})
    page = await opened(size=PHONE)
    await sign_in(page, key, "/shop/items/schema")

    await expect(page.locator("table.schema tbody tr:last-child .share")).to_be_in_viewport(ratio=1)


async def test_a_button_stays_where_it_is_when_a_mistake_is_told(opened: Opened, key: str, films: None) -> None:
    page = await opened()
    await sign_in(page, key, "/shop/items")
    await page.wait_for_selector(READY["documents"])
    button = page.get_by_role("button", name="Find")
    before = await button.bounding_box()
    await page.get_by_label("Filter", exact=True).fill("{title}")
    await button.click()
    await page.wait_for_selector(".problem:not([hidden], :empty)")

    assert await button.bounding_box() == before
    assert await faults(page) == []


async def test_a_page_that_is_enlarged_four_times_scrolls_in_one_direction(
    opened: Opened, key: str, database: Any
) -> None:
    await database.items.insert_many([{"_id": 1, **{f"field{number}": 1 for number in range(30)}}, {"_id": 2, "": 1}])
    page = await opened(size={"width": 320, "height": 256})
    await sign_in(page, key, "/shop/items")
    await page.wait_for_selector(READY["documents"])

    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls to the side"
    assert await faults(page) == []


async def test_a_user_who_may_do_little_is_told_so_in_a_way_open_to_all(
    opened: Opened, explored: Server, known: Known, database: Any
) -> None:
    ann = await known(explored, "ann@shop.example")
    await database.orders.insert_one({"_id": 1, "owner": ann.id})
    page = await opened(size=PHONE)
    await log_in_as(page, "ann@shop.example", "")
    await page.get_by_role("button", name="Collections").click()
    await page.wait_for_selector(".open-ones")
    assert await faults(page) == []
    await page.evaluate("location.hash = '/shop/orders'")
    await page.get_by_role("button", name="Open the document 1").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill('{"_id": 1, "owner": "somebody"}')
    await dialog.get_by_role("button", name="Save").click()

    await expect(dialog.get_by_role("alert")).to_contain_text("The rules do not let you do this, and nothing was done")
    assert await database.orders.find_one() == {"_id": 1, "owner": ann.id}
