"""changes: what has changed in a collection, as a long poll."""

from typing import Any

from tests.conftest import Post


async def begun(post: Post, **members: Any) -> str:
    """Return the token of now."""
    answer = await post("changes", **members)
    assert answer.status == 200, answer.body
    assert answer.json["events"] == []
    token: str = answer.json["resumeToken"]
    return token


async def test_what_changed_since_a_token_is_told(post: Post, database: Any) -> None:
    token = await begun(post)
    await database.items.insert_one({"_id": 1, "a": 1})
    await database.items.update_one({"_id": 1}, {"$set": {"b": 2}})
    await database.items.replace_one({"_id": 1}, {"c": 3})
    await database.items.delete_one({"_id": 1})

    answer = await post("changes", resumeAfter=token)

    assert answer.status == 200, answer.body
    events = answer.json["events"]
    assert [each["operationType"] for each in events] == ["insert", "update", "replace", "delete"]
    assert [each.get("fullDocument") for each in events] == [{"_id": 1, "a": 1}, None, {"_id": 1, "c": 3}, None]
    assert events[1]["updateDescription"]["updatedFields"] == {"b": 2}
    assert [each["ns"] for each in events] == [{"db": "shop", "coll": "items"}] * 4
    assert [each["documentKey"] for each in events] == [{"_id": 1}] * 4
