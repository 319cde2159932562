"""What could go wrong in the explorer: hostile names, large documents, replies out of order, sessions that end."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from shared.errors import Unavailable
from tests.explorer.conftest import Held, Opened, link, sign_in, write
from tests.hosts import eventually

ITEMS = "/shop/items"
OPEN = "table.documents button.open"
NAMES = {
    "view": "documents",
    "separators": "a/b#c?d%2F&e",
    "prototype": "__proto__",
    "markup": "<img src=x onerror=alert(1)>",
    "right to left": "\u202e\u05e9\u05dc\u05dd",
    "astral": "🥖 \u00e9 e\u0301",
}
AGAIN = [("schema", "getSchema"), ("indexes", "listIndexes"), ("changes", "changes"), ("actions", "find")]
GOES_ON = {"schema": "Of a sample of", "indexes": "_id_", "changes": "Watching:", "actions": "You are signed in again"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_a_name_is_what_it_is_wherever_it_stands(opened: Opened, key: str, database: Any, name: str) -> None:
    await database[name].insert_one({"_id": name, name: {name: [name]}})
    await database[name].create_index([("x", 1)], name=name)
    page = await opened()
    await sign_in(page, key)
    await page.locator("nav details", has_text="shop").evaluate("details => { details.open = true }")
    await link(page, name).click()
    await expect(page.locator("h1")).to_have_text(f"shop / {name}")
    await expect(page.locator("table.documents th").nth(2)).to_have_text(name)
    await expect(page.locator("table.documents .text").first).to_have_text(name)
    await page.get_by_role("tab", name="Schema").click()
    await expect(page.locator("table.schema .path")).to_contain_text(["_id", name, f"{name}.{name}"])
    await page.get_by_role("tab", name="Indexes").click()

    await expect(page.locator("tbody th").nth(1)).to_have_text(name)
    assert await page.locator("#page img[src=x]").count() == 0
    assert await page.evaluate("Object.keys(Object.prototype).length") == 0


async def test_more_that_is_chosen_twice_shows_each_document_once(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(60)])
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    await page.evaluate(
        "() => { const more = [...document.querySelectorAll('button')].find(each => each.textContent === 'More');"
        " more.click(); more.click(); }"
    )

    await expect(page.locator(OPEN)).to_have_count(50)


async def test_a_reply_that_is_overtaken_is_not_shown(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(60)])
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    held = await Held().at(page, "getMore")
    await page.get_by_role("button", name="More").click()
    await held.asked.wait()
    await write(page, "Filter", '{"_id": 59}')
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator(OPEN)).to_have_count(1)
    await held.let_go(page)

    await expect(page.locator(OPEN)).to_have_count(1)


async def test_nothing_is_left_or_comes_after_signing_out(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "secret": "unspoken"})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(".verdict:not(:empty)")
    held = await Held().at(page, "findOne")
    await page.locator(OPEN).click()
    await held.asked.wait()
    await page.get_by_role("button", name="Sign out").click()
    await held.let_go(page)

    await expect(page.locator("#key")).to_have_value("")
    assert await page.locator("dialog").count() == 0
    assert await page.locator("#said").inner_text() == ""
    assert (await page.title(), await page.evaluate("location.hash")) == ("Dozen explorer", "")


async def test_a_call_is_not_shown_to_be_copied_after_signing_out(opened: Opened, key: str, database: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await write(page, "Filter", '{"secret": "unspoken"}')
    held = await Held().at(page, "openapi.json")
    await page.get_by_role("button", name="Copy as…").click()
    await held.asked.wait()
    await page.get_by_role("button", name="Sign out").click()
    await held.let_go(page)

    await expect(page.locator("#key")).to_be_focused()
    assert "unspoken" not in await page.content()


async def test_an_open_document_is_left_with_the_collection(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await sign_in(page, key, ITEMS)
    held = await Held().at(page, "findOne")
    await page.locator(OPEN).click()
    await held.asked.wait()
    await page.evaluate("location.hash = '/shop/others'")
    await expect(page.locator("h1")).to_have_text("shop / others")
    await held.let_go(page)

    assert await page.locator("dialog").count() == 0


async def once_as_nobody(page: Page, action: str) -> None:
    """Send the next call of an action with a key that is none, as if one's own had ended."""
    await page.route(
        f"**/action/{action}", lambda route: route.continue_(headers={**route.request.headers, "apikey": "x"}), times=1
    )


async def sign_in_again(page: Page, secret: str) -> None:
    """Sign in where the page offers it."""
    form = page.get_by_role("form", name="Sign in again")
    await form.get_by_role("textbox").fill(secret)
    await form.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(
    ("action", "opener", "button"),
    [("updateOne", "Open the document 1", "Save"), ("insertOne", "New document", "Insert")],
    ids=["a change", "a new document"],
)
async def test_one_signs_in_where_one_writes_and_what_one_wrote_is_saved(
    opened: Opened, key: str, database: Any, action: str, opener: str, button: str
) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name=opener).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill('{"long": "work"}')
    await once_as_nobody(page, action)
    await dialog.get_by_role("button", name=button).click()
    await expect(dialog.get_by_role("alert").first).to_contain_text("sign in again")
    await expect(dialog.get_by_label("Key")).to_be_focused()
    await sign_in_again(page, "wrong")
    await expect(dialog.get_by_role("form").get_by_role("alert")).to_contain_text("does not know this key")
    await sign_in_again(page, key)
    await expect(dialog.get_by_role("button", name=button)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)

    assert await database.items.count_documents({"long": "work"}) == 1


async def test_one_signs_in_again_where_one_was_with_what_one_asked(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": 1}, {"_id": 2}])
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    await write(page, "Filter", '{"_id": 2}')
    await once_as_nobody(page, "find")
    await page.get_by_role("button", name="Find").click()
    await page.get_by_role("button", name="Sign in again").click()
    await sign_in_again(page, key)

    await expect(page.locator(OPEN)).to_have_count(1)
    await expect(page.get_by_label("Filter", exact=True)).to_have_value('{"_id": 2}')


@pytest.mark.full
@pytest.mark.parametrize(("view", "action"), AGAIN, ids=["schema", "indexes", "changes", "actions"])
async def test_each_view_goes_on_when_one_has_signed_in_again(
    opened: Opened, key: str, database: Any, view: str, action: str
) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await once_as_nobody(page, action)
    await sign_in(page, key, f"{ITEMS}/{view}")
    await page.wait_for_selector("#panel :is(.empty, button.main)")
    await page.locator("#panel button.main").evaluate_all("buttons => buttons.forEach(each => each.click())")
    await page.locator("#panel").get_by_role("button", name="Sign in again").click()
    await sign_in_again(page, key)

    await expect(page.locator("dialog")).to_have_count(0)
    await expect(page.locator("#panel")).to_contain_text(GOES_ON[view])


async def test_a_document_that_could_not_be_read_is_opened_when_one_has_signed_in_again(
    opened: Opened, key: str, database: Any
) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await once_as_nobody(page, "findOne")
    await page.locator(OPEN).click()
    await sign_in_again(page, key)

    await expect(page.get_by_role("dialog").get_by_role("button", name="Save")).to_be_visible()


async def written(page: Page, key: str) -> Any:
    """Open a document and change it, without saving."""
    await sign_in(page, key, ITEMS)
    await page.locator(OPEN).click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"_id": 1, "long": "work"}')
    return page.get_by_role("dialog")


async def test_a_document_that_is_opened_twice_is_there_once(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await sign_in(page, key, ITEMS)
    held = await Held().at(page, "findOne")
    await page.locator(OPEN).dblclick()
    await expect(page.locator(OPEN)).to_have_attribute("aria-busy", "true")
    await held.let_go(page)
    await expect(page.locator("dialog")).to_have_count(1)
    await page.keyboard.press("Escape")

    await expect(page.locator("dialog")).to_have_count(0)


async def test_a_write_that_got_no_reply_is_said_to_be_unknown(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    dialog = await written(page, key)
    held = await Held().at(page, "updateOne")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_have_text("Waiting for the reply…")
    held.drop()

    await expect(dialog.get_by_role("alert")).to_contain_text("It may have been done all the same")
    await expect(dialog.get_by_role("textbox")).to_have_value('{"_id": 1, "long": "work"}')


async def escape(page: Page) -> None:
    """Press Escape, and once more: a browser closes a dialog at the second time."""
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")


async def cross(page: Page) -> None:
    """Press the cross."""
    await page.get_by_role("button", name="Close").click()


async def back(page: Page) -> None:
    """Go back."""
    await page.evaluate("history.back()")


async def elsewhere(page: Page) -> None:
    """Go to another collection by its address."""
    await page.evaluate("location.hash = '/shop/others'")


@pytest.mark.parametrize("leave", [escape, cross, back, elsewhere])
async def test_what_is_not_saved_is_not_left_unasked(opened: Opened, key: str, database: Any, leave: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    dialog = await written(page, key)
    await leave(page)
    await expect(dialog.get_by_role("alert")).to_have_text(["What you wrote is not saved."])
    await expect(dialog.get_by_role("textbox")).to_have_value('{"_id": 1, "long": "work"}')
    await expect(page.locator("h1")).to_have_text("shop / items")
    await dialog.get_by_role("button", name="Discard").click()

    await expect(dialog).to_have_count(0)
    assert await database.items.find_one() == {"_id": 1}


async def test_the_browser_asks_before_a_page_with_something_unsaved_goes(
    opened: Opened, key: str, database: Any
) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await written(page, key)
    async with page.expect_event("dialog") as asked:
        await page.evaluate("setTimeout(() => location.reload())")
    question = await asked.value
    await question.dismiss()

    assert question.type == "beforeunload"


async def test_back_closes_a_dialog_and_then_leaves_the_collection(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await sign_in(page, key, "/shop/others")
    await page.evaluate("path => { location.hash = path }", ITEMS)
    await page.locator(OPEN).click()
    await page.get_by_role("button", name="Close").click()
    await expect(page.locator("dialog")).to_have_count(0)
    await page.locator(OPEN).click()
    await eventually(lambda: page.evaluate("Boolean(history.state?.dialog)"))
    await back(page)
    await expect(page.locator("dialog")).to_have_count(0)
    await expect(page.locator("h1")).to_have_text("shop / items")
    await back(page)

    await expect(page.locator("h1")).to_have_text("shop / others")


async def test_one_does_not_have_to_wait(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await Held().at(page, "find")
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Stop").click()

    await expect(page.locator(".failed")).to_have_text("You did not wait for the reply.")
    await expect(page.get_by_role("button", name="Find")).to_be_focused()


@pytest.mark.parametrize("view", ["schema", "indexes", "actions"])
async def test_what_failed_is_tried_again(opened: Opened, key: str, database: Any, view: str) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await page.route(FAILING[view], lambda route: route.abort(), times=2)
    await sign_in(page, key, f"{ITEMS}/{view}")
    await page.get_by_role("button", name="Try again").click()
    await page.get_by_role("button", name="Try again").click()

    await expect(page.locator("#panel table, #panel select")).to_have_count(1)


FAILING = {"schema": "**/getSchema", "indexes": "**/listIndexes", "actions": "**/openapi.json"}


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 200, "content_type": "text/html", "body": "<h1>Log in to the network</h1>"},
        {"status": 200, "content_type": "application/json", "body": "null"},
        {"status": 502, "content_type": "application/json", "body": '{"error": {"code": "BadGateway"}}'},
        {"status": 502, "content_type": "application/json", "body": "null"},
    ],
    ids=["page", "null", "error of another kind", "null error"],
)
async def test_a_reply_of_something_else_is_said_to_be_one(opened: Opened, key: str, database: Any, reply: Any) -> None:
    page = await opened()
    await page.route("**/action/find", lambda route: route.fulfill(**reply))
    await sign_in(page, key, ITEMS)

    await expect(page.locator(".failed")).to_contain_text("the reply")


async def test_a_document_of_many_members_is_shown_part_by_part(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, **{f"member{number}": number for number in range(10_000)}})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    await page.get_by_role("radio", name="JSON").check()
    await page.wait_for_selector(".tree")
    first = await page.locator(".tree li").count()
    await page.get_by_role("button", name="200 more of 9,801").click()

    assert first < 300
    assert first < await page.locator(".tree li").count() < 600


@pytest.mark.full
async def test_the_largest_document_is_opened(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "text": 'x"\n' * 4_000_000})
    page = await opened()
    page.set_default_timeout(60_000)
    await sign_in(page, key, ITEMS)
    await page.locator(OPEN).click()

    await expect(page.get_by_role("alert")).to_contain_text("20.0 MB, too much to change it here")


async def test_a_value_from_right_to_left_leaves_its_neighbours_in_place(
    opened: Opened, key: str, database: Any
) -> None:
    await database.items.insert_one({"_id": "\u202eabc", "שלום": {"a": "שלום"}})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector(OPEN)
    await page.get_by_role("radio", name="JSON").check()
    text = page.locator(".trees .text").first
    beside = text.locator("xpath=following-sibling::small")

    assert await text.evaluate("text => text.getBoundingClientRect().right") <= await beside.evaluate(
        "type => type.getBoundingClientRect().left"
    )


async def test_nobody_waits_for_changes_of_a_tab_that_was_left(opened: Opened, key: str, database: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS + "/changes")
    async with page.expect_response("**/changes"):
        await page.get_by_role("button", name="Watch").click()
    async with page.expect_event("requestfailed", lambda request: request.url.endswith("/changes")):
        await page.get_by_role("tab", name="Schema").click()

    assert await page.locator(".event").count() == 0


async def test_collections_that_could_not_be_listed_are_asked_for_again(
    opened: Opened, key: str, database: Any
) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    await page.route("**/listCollections", lambda route: route.abort(), times=1)
    await sign_in(page, key)
    details = page.locator("nav details", has_text="shop")
    await details.evaluate("details => { details.open = true }")
    await expect(page.locator("nav .problem")).to_have_count(1)
    await details.locator("summary").click()
    await page.locator("nav summary", has_text="shop").click()

    await expect(link(page, "items")).to_be_visible()


async def lose(page: Page, action: str) -> None:
    """Have the next call of an action done, and its reply lost."""

    async def done(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route(f"**/{action}", done, times=1)


async def new(page: Page, key: str, path: str = ITEMS) -> Any:
    """Open a new document and write it, without inserting it."""
    await sign_in(page, key, path)
    await page.get_by_role("button", name="New document").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"n": 1, "at": {"$date": "2026-01-31T00:00:00Z"}}')
    return page.get_by_role("dialog")


async def choose_again(dialog: Any, label: str) -> None:
    """Choose a write whose reply is lost, and choose it again when the page says that one may."""
    await dialog.get_by_role("button", name=label).click()
    await expect(dialog.get_by_role("alert")).to_contain_text(f"choose {label} again, it is done once")
    await dialog.get_by_role("button", name=label).click()


async def test_an_insert_whose_reply_is_lost_is_done_once(opened: Opened, key: str, database: Any) -> None:
    page = await opened()
    dialog = await new(page, key)
    await lose(page, "insertOne")
    await choose_again(dialog, "Insert")
    await expect(page.locator(".notice")).to_contain_text("Inserted")
    first = await database.items.count_documents({"n": 1})
    await page.get_by_role("button", name="New document").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"n": 1, "at": {"$date": "2026-01-31T00:00:00Z"}}')
    await page.get_by_role("button", name="Insert", exact=True).click()
    await expect(page.locator(OPEN)).to_have_count(2)

    assert first == 1
    assert await database.items.count_documents({"n": 1}) == 2


async def test_a_save_whose_reply_is_lost_is_done_once(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    dialog = await written(page, key)
    await lose(page, "updateOne")
    await choose_again(dialog, "Save")

    await expect(page.locator(".notice")).to_contain_text("Saved")
    assert await database.items.find_one() == {"_id": 1, "long": "work"}


async def test_a_deletion_whose_reply_is_lost_is_done_once(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1})
    page = await opened()
    dialog = await written(page, key)
    await dialog.get_by_role("button", name="Delete").click()
    await lose(page, "deleteOne")
    await choose_again(dialog, "Delete for good")

    await expect(page.locator(".notice")).to_contain_text("Deleted")
    assert await database.items.find_one() is None


@pytest.fixture
async def series(database: Any) -> AsyncIterator[Any]:
    """A collection that no transaction may insert into."""
    yield await database.create_collection("series", timeseries={"timeField": "at"})
    await database.series.drop()  # with one left, the database of the next test could not be emptied


async def test_what_takes_no_transactions_is_inserted_without_a_key(opened: Opened, key: str, series: Any) -> None:
    page = await opened()
    dialog = await new(page, key, "/shop/series")
    await dialog.get_by_role("button", name="Insert").click()
    await expect(page.locator(".notice")).to_contain_text("Inserted")

    assert await series.count_documents({"n": 1}) == 1


async def test_a_mongodb_without_transactions_takes_an_insert_whose_outcome_is_then_unknown(
    opened: Opened, key: str, database: Any
) -> None:
    page = await opened()
    dialog = await new(page, key)
    refused = '{"error": "' + Unavailable.NO_TRANSACTIONS + '", "error_code": "InternalServerError"}'
    keys = []

    async def alone(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        await (route.abort() if keys[-1] is None else route.fulfill(status=503, body=refused))

    await page.route("**/insertOne", alone)
    await dialog.get_by_role("button", name="Insert").click()

    await expect(dialog.get_by_role("alert")).to_contain_text("look before you choose Insert again")
    assert [len(each or "") for each in keys] == [32, 0]


async def test_a_write_of_which_the_service_says_that_nothing_was_done_is_said_to_be_so(
    opened: Opened, key: str, database: Any
) -> None:
    page = await opened()
    dialog = await new(page, key)
    refused = '{"error": "' + Unavailable.UNREACHABLE + '", "error_code": "InternalServerError"}'
    await page.route(
        "**/insertOne", lambda route: route.fulfill(status=503, body=refused, headers={"Retry-After": "5"})
    )
    await dialog.get_by_role("button", name="Insert").click()

    await expect(dialog.get_by_role("alert")).to_have_text(
        "MongoDB cannot be reached; try again in 5 s. Nothing was done."
    )
