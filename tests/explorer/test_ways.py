"""What people do in the explorer, in a real browser."""

import asyncio
import json
import re
import subprocess
import sys
from typing import Any

import bson
import pytest
from bson.objectid import ObjectId
from playwright.async_api import Page, expect

from shared.documents import ejson
from tests.bson_types import ROWS
from tests.explorer.conftest import APP, Held, Opened, link, log_in_as, sign_in, write
from tests.functions.rules.conftest import Known
from tests.hosts import Server

ITEMS = "/shop/items"


@pytest.fixture
async def items(database: Any) -> Any:
    """Three documents in shop.items."""
    await database.items.insert_many(
        [
            {"_id": 1, "item": "pen", "price": 2, "tags": ["ink"]},
            {"_id": 2, "item": "ink", "price": 7, "made": {"in": "Porto"}},
            {"_id": 3, "item": "pad", "price": 4},
        ]
    )
    return database.items


async def cells(page: Page) -> list[str]:
    """Return the texts of the values of a table of documents, row by row."""
    await page.wait_for_selector("table.documents")
    return await page.locator("table.documents tbody .text").all_inner_texts()


async def test_whoever_names_no_app_where_there_is_one_is_told_to(opened: Opened) -> None:
    page = await opened()
    await page.get_by_role("radio", name="Anonymous").check()
    await page.click("form button[type=submit]")

    await expect(page.get_by_role("alert")).to_contain_text("enter its App id")
    await expect(page.get_by_label("App id")).to_be_focused()


async def test_a_key_that_is_none_is_refused_and_nothing_is_shown(opened: Opened) -> None:
    page = await opened()
    await page.fill("#key", "x" * 64)
    await page.click("form button[type=submit]")

    await expect(page.get_by_role("alert")).to_contain_text("key")
    assert await page.locator("nav").count() == 0


async def test_a_document_is_on_the_screen_two_clicks_after_signing_in(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key)
    await page.locator("nav details", has_text="shop").evaluate("details => { details.open = true }")
    await link(page, "items").click()

    assert "pen" in await cells(page)
    await expect(page.locator(".reply .status")).to_have_text("200")
    await expect(page.locator(".title .count")).to_have_text("3 documents")


async def test_a_filter_finds_and_says_how(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    await write(page, "Filter", '{"price": {"$gt": 3}, "item": "ink"}')
    await page.get_by_label("Filter", exact=True).press("Control+Enter")

    await expect(page.locator(".facts")).to_contain_text("1 document")
    await expect(page.locator(".verdict")).to_contain_text("would help")
    assert (await cells(page))[:3] == ["2", "ink", "7"]


async def test_a_filter_that_is_no_json_is_not_sent(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    await write(page, "Filter", '{"price": {"$gt" 3}}')
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    await page.get_by_role("button", name="Find").click()

    await expect(page.locator(".editor .problem").first).to_contain_text("':' is missing in line 1")
    assert sent == []


async def test_names_of_fields_and_operators_are_offered(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    await expect(page.locator(".verdict")).not_to_be_empty()  # all that is asked at first has come
    field = page.get_by_label("Filter", exact=True)
    await field.fill("{")
    await field.press_sequentially("ma")
    await field.press("ArrowDown")
    await field.press("ArrowDown")
    await field.press("Enter")
    await field.press_sequentially('"Porto"}')
    await field.press("Control+Enter")

    await expect(field).to_have_value('{"made.in": "Porto"}')
    await expect(page.locator(".facts")).to_contain_text("1 document")


async def test_documents_come_in_batches(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": number} for number in range(60)])
    page = await opened()
    await sign_in(page, key, ITEMS)
    assert len(await cells(page)) == 25
    await page.get_by_role("button", name="More").click()
    await expect(page.locator(".facts")).to_contain_text("50 documents, and more")
    await page.get_by_role("button", name="More").click()

    await expect(page.locator(".facts")).to_contain_text("60 documents")
    await expect(page.get_by_role("button", name="More")).to_be_hidden()
    assert await cells(page) == [str(number) for number in range(60)]


async def test_types_and_the_order_of_members_are_shown(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "10": bson.Int64(5), "2": 5, "a": 5.0, "when": bson.DatetimeMS(0)})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.wait_for_selector("table.documents")

    assert await page.locator("thead th").all_inner_texts() == ["Open", "_id", "10", "2", "a", "when"]
    assert await page.locator("tbody .type").all_inner_texts() == ["int", "long", "int", "double", "date"]
    await page.get_by_role("radio", name="JSON").check()
    assert await page.locator(".tree .field").all_inner_texts() == ["_id", "10", "2", "a", "when"]


@pytest.mark.full
async def test_a_document_of_any_type_is_printed_as_what_it_is(opened: Opened) -> None:
    page = await opened()
    written = [row.as_ejson for row in ROWS]
    printed = await page.evaluate(
        """async texts => {
            const { parse, print, typed } = await import("./explorer/ejson.js");
            return texts.map(text => print(typed(parse(text)), "  "));
        }""",
        written,
    )

    before = [bson.encode(ejson.loads(f'{{"v":{text}}}'.encode())) for text in written]
    assert [bson.encode(ejson.loads(f'{{"v":{text}}}'.encode())) for text in printed] == before
    assert len(printed) > 100


async def test_a_document_is_saved_without_bending_what_was_not_touched(opened: Opened, key: str, items: Any) -> None:
    document = {
        "_id": ObjectId(), "2": 1, "1": bson.Int64(2), "d": 3.0, "m": bson.Decimal128("1.50"), "n": "old",
        "t": bson.DatetimeMS(-1), "x": bson.Timestamp(1, 2), "r": bson.Regex("a/b", "i"), "b": b"\x00\xff",
        "big": bson.Int64(2**63 - 1), "tiny": 5e-324, "nan": float("nan"), "deep": {"__proto__": 1},
    }  # fmt: skip
    await items.delete_many({})
    await items.insert_one(document)
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Open the document").click()
    editor = page.get_by_role("dialog").get_by_role("textbox")
    text = await editor.input_value()
    await editor.fill(text.replace('"old"', '"new"'))
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)

    stored = await items.with_options(
        codec_options=bson.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)
    ).find_one()
    assert stored.raw == bson.encode(document | {"n": "new"})


async def test_a_document_that_somebody_has_changed_is_not_overwritten(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Open the document 2").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").wait_for()
    await items.update_one({"_id": 2}, {"$set": {"price": 8}})
    await dialog.get_by_role("textbox").fill('{"_id": 2, "item": "mine"}')
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Somebody has changed it")
    await expect(dialog.locator("mark")).to_have_text('  "price": 8,\n')
    assert await items.find_one({"_id": 2}) == {"_id": 2, "item": "ink", "price": 8, "made": {"in": "Porto"}}
    await dialog.get_by_role("button", name="Keep what I wrote").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)

    assert await items.find_one({"_id": 2}) == {"_id": 2, "item": "mine"}


async def test_what_somebody_has_stored_is_taken(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Open the document 1").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("{}")
    await items.update_one({"_id": 1}, {"$set": {"price": 8}})
    await dialog.get_by_role("button", name="Save").click()
    await dialog.get_by_role("button", name="Take the stored one").click()
    await expect(dialog.get_by_role("textbox")).to_have_value(re.compile('"price": 8'))
    await page.keyboard.press("Escape")

    await expect(dialog).to_have_count(0)


async def test_a_document_is_deleted_when_it_was_asked_twice(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Open the document 3").click()
    delete = page.get_by_role("dialog").get_by_role("button", name="Delete")
    await delete.click()
    await expect(page.get_by_role("alert")).to_contain_text("for good")
    assert await items.count_documents({}) == 3
    await delete.click()

    await expect(page.locator(".facts")).to_contain_text("2 documents")
    assert await items.count_documents({"_id": 3}) == 0


async def test_a_new_document_is_stored(opened: Opened, key: str, database: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await expect(page.locator(".empty")).to_contain_text("no document here")
    await page.get_by_role("button", name="New document").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"_id": {"$numberLong": "9007199254740993"}}')
    await page.get_by_role("button", name="Insert").click()
    await expect(page.locator(".facts")).to_contain_text("1 document")

    assert await database.items.find_one() == {"_id": 9007199254740993}


async def test_the_schema_has_shares_and_the_indexes_their_keys(opened: Opened, key: str, items: Any) -> None:
    await items.create_index([("item", 1), ("price", -1)], unique=True)
    page = await opened()
    await sign_in(page, key, ITEMS + "/schema")
    row = page.locator("table.schema tr", has_text="made.in")
    await expect(row).to_contain_text("33.3 %")
    assert await row.locator(".bar span").evaluate("bar => bar.style.width.slice(0, 5)") == "33.33"
    await page.get_by_role("tab", name="Indexes").click()

    await expect(page.locator("tbody tr").nth(1)).to_contain_text("item 1")
    await expect(page.locator("tbody tr").nth(1)).to_contain_text("unique: true")


async def test_changes_come_in_as_they_happen(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS + "/changes")
    async with page.expect_response(lambda response: response.url.endswith("/changes")):
        await page.get_by_role("button", name="Watch").click()
    await items.insert_one({"_id": 4})
    await expect(page.locator(".event")).to_have_text(["insert"])
    await items.delete_one({"_id": 4})
    await expect(page.locator(".event")).to_have_text(["delete", "insert"])
    await page.get_by_role("button", name="Stop").click()

    await expect(page.get_by_role("button", name="Watch")).to_be_visible()


@pytest.mark.parametrize("language", ["curl", "JavaScript", "Python"])
async def test_a_copied_call_does_what_the_page_did(
    opened: Opened, explored: Server, key: str, items: Any, language: str
) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    await write(page, "Filter", '{"item": {"$in": ["ink", "it\'s \\"ünquoted\\" \\\\"]}}')
    await page.get_by_role("button", name="Copy as…").click()
    await page.get_by_role("radio", name=language, exact=True).check()
    call = (await page.locator("dialog pre").inner_text()).replace("<your key>", key)

    assert f"{explored.url}/app/{APP}/endpoint/data/v1/action/find" in call
    assert "Porto" in json.dumps(await RUN[language](page, call))


async def _shell(_page: Page, call: str) -> str:
    return await asyncio.to_thread(subprocess.check_output, ["sh", "-c", call], text=True)


async def _python(_page: Page, call: str) -> str:
    return await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", call], text=True)


async def _javascript(page: Page, call: str) -> Any:
    return await page.evaluate(f"(async () => {{ {call.replace('console.log(response.status, ', 'return (')} }})()")


RUN = {"curl": _shell, "JavaScript": _javascript, "Python": _python}


async def test_the_key_is_stored_nowhere_and_gone_at_a_reload(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    stored = await page.evaluate(
        "async () => [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href,"
        " JSON.stringify(await indexedDB.databases()), JSON.stringify(await caches.keys())].join()"
    )
    await page.reload()

    assert key not in stored
    await expect(page.locator("#key")).to_have_value("")


async def test_a_user_sees_what_the_rules_let_them(
    opened: Opened,
    explored: Server,
    known: Known,
    database: Any,
) -> None:
    ann = await known(explored, "ann@shop.example")
    mine = {"_id": 1, "owner": ann.id, "total": 5, "secret": "unspoken"}
    await database.orders.insert_many([mine, {"_id": 2, "owner": "somebody", "secret": "unspoken"}])
    page = await opened()
    await log_in_as(page, "ann@shop.example", "/shop/orders")

    assert await cells(page) == ["1", ann.id, "5"]
    await expect(page.locator(".verdict")).to_contain_text("Rules apply")
    assert "unspoken" not in await page.content()


async def test_a_user_changes_a_document_that_rules_hide_a_part_of(
    opened: Opened, explored: Server, known: Known, database: Any
) -> None:
    ann = await known(explored, "ann@shop.example")
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "total": 5, "old": 1, "secret": "unspoken"})
    page = await opened()
    await log_in_as(page, "ann@shop.example", "/shop/orders")
    await page.get_by_role("button", name="Open the document 1").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill(json.dumps({"_id": 1, "owner": ann.id, "total": 6}))
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)

    assert await database.orders.find_one() == {"_id": 1, "owner": ann.id, "total": 6, "secret": "unspoken"}


async def test_what_was_asked_is_there_when_one_comes_back(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await write(page, "Filter", '{"item": "ink"}')
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator(".facts")).to_contain_text("1 document")
    await page.get_by_role("tab", name="Schema").click()
    await page.wait_for_selector("table.schema")
    await page.go_back()

    await expect(page.get_by_label("Filter", exact=True)).to_have_value('{"item": "ink"}')
    await expect(page.locator(".facts")).to_contain_text("1 document")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ('{"item": "p', '{"item": "pen"'),
        ('{"first na', '{"first name": '),
        ('{"l": {"$elemMatch": {"sk', '{"l": {"$elemMatch": {"sku": '),
        ('{"q\\"u', '{"q\\"uote": '),
    ],
    ids=["a value that was found", "a name with a space", "a member of elements", "a name with a quote"],
)
async def test_what_is_offered_stands_where_one_writes(
    opened: Opened, key: str, items: Any, typed: str, wanted: str
) -> None:
    await items.insert_one({"_id": 4, "first name": 1, "l": [{"sku": 1}], 'q"uote': 1})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await expect(page.locator(".verdict")).not_to_be_empty()
    field = page.get_by_label("Filter", exact=True)
    await field.fill("")
    await field.press_sequentially(typed)
    await field.press("ArrowDown")
    await field.press("Tab")

    await expect(field).to_have_value(wanted)


async def test_the_share_of_a_member_is_that_of_all_documents(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": 1, "v": {"a": 1}}, {"_id": 2, "v": 5}, {"_id": 3, "a.b": 1}])
    page = await opened()
    await sign_in(page, key, ITEMS + "/schema")
    row = page.locator("table.schema tr", has_text="v.a")

    await expect(row).to_contain_text("33.3 %")
    await expect(page.locator("table.schema .path", has_text="a.b")).to_have_css("padding-left", "0px")


async def test_a_collection_begins_with_its_name_and_its_first_document(
    opened: Opened, key: str, database: Any
) -> None:
    page = await opened()
    await sign_in(page, key)
    await page.get_by_label("Database").fill("shop")
    await page.get_by_label("Collection", exact=True).fill("new/ones")
    await page.get_by_role("button", name="Open the collection").click()
    await page.get_by_role("button", name="Write the first one").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"_id": 1}')
    await page.get_by_role("button", name="Insert").click()

    await expect(page.get_by_role("button", name="Open the document 1")).to_be_focused()
    assert await database["new/ones"].find_one() == {"_id": 1}


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"])
async def test_what_is_stored_is_never_markup(opened: Opened, key: str, items: Any, text: str) -> None:
    await items.insert_one({"_id": text, text: text})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    await page.get_by_role("radio", name="JSON").check()

    assert await page.locator("#page img[src=x], #page script").count() == 0
    await page.get_by_role("tab", name="Schema").click()
    await expect(page.locator("table.schema")).to_contain_text(text)


async def test_any_action_is_run_with_an_example_to_begin_with(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS + "/actions")
    await page.get_by_label("Action", exact=True).select_option("countDocuments")
    body = json.loads(await page.get_by_label("Body", exact=True).input_value())
    await page.get_by_role("button", name="Run").click()

    assert body == {"database": "shop", "collection": "items", "filter": {"price": {"$lt": 5}}}
    await expect(page.locator(".facts")).to_have_text(re.compile(r"^200\d+(\.\d)? ms\d+ B$"))
    await expect(page.get_by_label("Reply of the action")).to_have_text('{\n  "count": 2\n}')


async def test_a_copied_call_is_the_same_in_languages_that_cannot_run_here(
    opened: Opened, explored: Server, key: str, items: Any
) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS)
    await cells(page)
    wanted = '{"item": "é@x \\"?\\" \\\\"}'
    await write(page, "Filter", wanted)
    await page.get_by_role("button", name="Copy as…").click()
    await page.get_by_role("radio", name="C++ for Arduino").check()
    [(url, literal)] = re.findall(
        r'begin\(client, "([^"]*)"\);.*http\.POST\("(.*)"\);', await page.locator("dialog pre").inner_text(), re.DOTALL
    )
    await page.get_by_role("radio", name="Power Automate").check()
    step = json.loads(await page.locator("dialog pre").inner_text())

    octal = re.sub(r"\\([0-7]{3})", lambda each: chr(int(each[1], 8)), literal)
    assert json.loads(re.sub(r"\\(.)", r"\1", octal).encode("latin-1"))["filter"] == json.loads(wanted)
    assert json.loads(step["inputs"]["body"].replace("@@", "@"))["filter"] == json.loads(wanted)
    assert url == step["inputs"]["uri"] == f"{explored.url}/app/{APP}/endpoint/data/v1/action/find"
    assert "@x" not in step["inputs"]["body"].replace("@@", "")


async def test_what_was_inserted_is_named_counted_and_opened(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_many([{"_id": number, "made": bson.DatetimeMS(0)} for number in range(30)])
    page = await opened()
    await sign_in(page, key, ITEMS)
    await expect(page.locator(".verdict")).to_contain_text("not only these")
    await page.get_by_role("button", name="New document").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill('{"_id": "zz"}')
    await page.get_by_role("button", name="Insert").click()
    await expect(page.locator(".notice")).to_contain_text("Inserted zz")
    await expect(page.locator(".title .count")).to_have_text("31 documents")
    await page.get_by_role("button", name="Open what was inserted").click()
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_value('{\n  "_id": "zz"\n}')
    await page.keyboard.press("Escape")
    await write(page, "Filter", '{"made": "1970-01-01T00:00:00Z"}')
    await page.get_by_role("button", name="Find").click()

    await expect(page.locator(".empty")).to_contain_text('"made" is a date here')


async def test_why_nothing_is_found_is_told_once(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "made": bson.DatetimeMS(0)})
    page = await opened()
    await sign_in(page, key, ITEMS)
    await expect(page.locator(".verdict")).to_contain_text("examined")
    await page.wait_for_load_state("networkidle")
    await write(page, "Filter", '{"made": "1970-01-01T00:00:00Z"}')
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator(".empty")).to_contain_text('"made" is a date here')
    await expect(page.locator(".verdict")).to_contain_text("for 0 returned")
    await expect(page.locator(".verdict")).not_to_contain_text("is compared with a text")
    await write(page, "Filter", '{"gone": "1970-01-01T00:00:00Z"}')
    await page.get_by_role("button", name="Find").click()

    await expect(page.locator(".verdict")).to_contain_text('"gone" is compared with a text')
    await expect(page.locator(".empty")).to_contain_text("Look at the Schema tab")


async def test_the_habits_of_a_shell_are_named_with_what_to_write(opened: Opened) -> None:
    page = await opened()
    said = await page.evaluate(
        """async texts => {
            const { parse } = await import("./explorer/ejson.js");
            return texts.map(text => { try { parse(text); return ""; } catch (error) { return error.message; } });
        }""",
        ["{title: 1}", "{ 'title': 1}", '{"a": ObjectId("1")}', '{"a": ISODate("1")}', '{"a": word}'],
    )

    assert [re.split(": something", each)[0] for each in said] == [
        'Names need "double quotes"',
        'Names and texts need "double quotes"',
        'An ObjectId is written {"$oid":"…"}',
        'A date is written {"$date":"2026-01-31T12:00:00Z"}',
        'Texts need "double quotes"',
    ]


async def test_a_user_sees_who_it_is_and_what_is_open_without_a_document(
    opened: Opened, explored: Server, known: Known, database: Any
) -> None:
    ann = await known(explored, "ann@shop.example")
    page = await opened()
    await log_in_as(page, "ann@shop.example", "")

    await expect(page.locator(".who")).to_contain_text(f"You are ann@shop.example, id {ann.id}")
    await page.locator(".open-ones").get_by_role("link", name="shop.orders", exact=True).click()
    await expect(page.locator("h1")).to_have_text("shop / orders")


async def test_an_example_names_no_field_that_the_collection_has_not(opened: Opened, key: str, database: Any) -> None:
    await database.items.insert_one({"_id": 1, "title": "Alien"})
    page = await opened()
    await sign_in(page, key, ITEMS + "/actions")
    find = json.loads(await page.get_by_label("Body", exact=True).input_value())
    await page.get_by_label("Action", exact=True).select_option("countDocuments")
    count = json.loads(await page.get_by_label("Body", exact=True).input_value())

    assert "projection" not in find
    assert count["filter"] == {}


async def test_the_explanation_of_an_action_stands_with_its_reply(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await sign_in(page, key, ITEMS + "/actions")
    await page.get_by_label("Action", exact=True).select_option("aggregate")
    pipeline = '{"database": "shop", "collection": "items", "pipeline": [{"$match": {"price": 7, "price": 7}}]}'
    await write(page, "Body", pipeline)
    await page.get_by_role("button", name="Run").click()

    await expect(page.locator(".verdict")).to_contain_text("would help")


async def test_one_does_not_have_to_wait_for_an_action(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await Held().at(page, "insertOne")
    await sign_in(page, key, ITEMS + "/actions")
    await page.get_by_label("Action", exact=True).select_option("insertOne")
    await page.get_by_role("button", name="Run").click()
    await page.get_by_role("button", name="Stop").click()

    await expect(page.locator(".failed")).to_contain_text("it may have been done all the same")


async def test_what_a_browser_does_not_copy_is_marked_to_be_copied(opened: Opened, key: str, items: Any) -> None:
    page = await opened()
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without HTTPS
    await sign_in(page, key, ITEMS)
    await page.get_by_role("button", name="Copy as…").click()
    await page.get_by_role("button", name="Copy", exact=True).click()

    await expect(page.get_by_role("button", name="Marked")).to_be_visible()
    assert await page.evaluate("getSelection().toString()") == await page.locator("dialog pre").inner_text()
