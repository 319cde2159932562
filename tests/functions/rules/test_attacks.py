"""Attempts to read, guess, write or become what the rules deny; through both hosts."""

import asyncio
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from bson.objectid import ObjectId

from shared.service import process
from tests.conftest import ACTION, FailPoint, errors_only, request_body, restart
from tests.functions.rules.conftest import SETTINGS, Known, Person, log_in, send
from tests.functions.rules.test_sessions import KEYS, LOGIN, PROFILE, SESSION, custom_token
from tests.hosts import ROOT, Host, Worker

JOINS = [
    {"$lookup": {"from": "orders", "pipeline": [], "as": "x"}},
    {"$lookup": {"from": {"db": "shop", "coll": "orders"}, "pipeline": [], "as": "x"}},
    {"$lookup": {"from": "orders", "localField": "_id", "foreignField": "_id", "as": "x"}},
    {"$unionWith": "orders"},
    {"$unionWith": {"coll": "orders"}},
    {"$graphLookup": {"from": "orders", "startWith": 1, "connectFromField": "a", "connectToField": "_id", "as": "x"}},
    {"$facet": {"a": [{"$unionWith": "orders"}]}},
    {"$lookup": {"from": "public", "pipeline": [{"$unionWith": "orders"}], "as": "x"}},
    {"$unionWith": {"coll": "public", "pipeline": [{"$lookup": {"from": "orders", "pipeline": [], "as": "x"}}]}},
    {"$lookup": {"pipeline": [{"$documents": [{}]}, {"$unionWith": "orders"}], "as": "x"}},
]


@pytest.mark.parametrize("stage", JOINS, ids=str)
async def test_a_join_does_not_reach_a_collection_that_rules_close(ann: Person, database: Any, stage: Any) -> None:
    await database.public.insert_one({"_id": 1})
    await database.orders.insert_one({"_id": 1, "owner": "u2", "secret": "the hidden value"})

    answer = await ann("aggregate", collection="public", pipeline=[stage])

    assert b"hidden" not in answer.body
    assert (answer.status, errors_only(answer)["error_code"]) == (403, "NoMatchingRoleFound")


async def test_a_join_of_open_collections_runs(ann: Person, database: Any) -> None:
    await database.public.insert_one({"_id": 1})

    answer = await ann("aggregate", collection="public", pipeline=[
        {"$unionWith": {"coll": "public", "pipeline": [{"$set": {"again": True}}]}},
        {"$lookup": {"from": "public", "pipeline": [{"$match": {"_id": 1}}], "as": "x"}},
    ])  # fmt: skip

    assert [each["x"] for each in answer.json["documents"]] == [[{"_id": 1}], [{"_id": 1}]]


@pytest.mark.parametrize("action", ["updateOne", "updateMany"])
async def test_a_unique_index_does_not_tell_a_hidden_value(ann: Person, database: Any, action: str) -> None:
    await database.orders.create_index([("title", 1), ("secret", 1)], unique=True)
    await database.orders.insert_many([
        {"_id": 1, "owner": ann.id, "title": "mine", "secret": "the hidden value"},
        {"_id": 2, "owner": "u2", "title": "taken", "secret": "the hidden value"},
    ])  # fmt: skip
    answer = await ann(action, filter={"_id": 1}, update={"$set": {"title": "taken"}})

    assert answer.status == 400
    assert "hidden" not in errors_only(answer)["error"]
    assert "DuplicateKey" in errors_only(answer)["error"]


@pytest.mark.parametrize(
    ("stored", "update"),
    [
        ({"lines": [{"sku": "A", "cost": 7777}]}, {"$set": {"lines.sku": 1}}),
        ({"lines": [{"sku": "A", "cost": 7777}]}, {"$set": {"lines.sku.x": 1}}),
        ({"lines": [{"sku": "A", "cost": 7777}]}, {"$inc": {"lines.$[].sku": 1}}),
        ({"lines": [{"sku": "A", "cost": 7777}]}, {"$set": {"lines.0.sku.x": 1}}),
        ({"address": 7777}, {"$set": {"address.city": 1}}),
        ({"address": [7777]}, {"$set": {"address.city": 1}}),
        ({"lines": 7777}, {"$set": {"lines.0.sku": 1}}),
        ({"lines": [7777]}, {"$set": {"lines.0.sku": 1}}),
    ],
    ids=str,
)
async def test_a_refusal_of_mongodb_shows_no_hidden_value(ann: Person, database: Any, stored: Any, update: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id} | stored)

    answer = await ann("updateOne", filter={"_id": 1}, update=update)

    assert answer.status == 400
    assert "7777" not in errors_only(answer)["error"]


async def test_a_refusal_of_mongodb_is_told_to_who_may_read_everything(ann: Person, database: Any) -> None:
    await database.other.insert_one({"_id": 1, "owner": ann.id, "n": "text"})

    answer = await ann("updateOne", collection="other", filter={"_id": 1}, update={"$inc": {"n": 1}})

    assert "Cannot apply $inc to a value of non-numeric type" in errors_only(answer)["error"]


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
async def test_an_old_password_is_of_no_use_at_once(ann: Person, configured: pytest.MonkeyPatch) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "3600")
    restart()
    headers = {"email": "ann@shop.example", "password": "secret words"}
    body = request_body(collection="orders")
    before = await ann.host.request("POST", ACTION + "find", headers, body)
    token, token_id = await process.service().confirmations.issue(ann.id, "reset")
    reset = {"token": token, "tokenId": token_id, "password": "other words"}
    await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", reset)

    after = await ann.host.request("POST", ACTION + "find", headers, body)
    new = await ann.host.request("POST", ACTION + "find", headers | {"password": "other words"}, body)

    assert (before.status, after.status, new.status) == (200, 401, 200)


def issued_a_minute_ago(person: Person) -> Person:
    """Return the same person with an older access token: whether one has ended is told by the second."""
    claims = jwt.decode(person.access_token, options={"verify_signature": False})
    key = hmac.new(SETTINGS["SESSION_SECRET"].encode(), b"dozen session tokens", "sha256").digest()
    return person._replace(access_token=jwt.encode(claims | {"iat": claims["iat"] - 60}, key, "HS256"))


async def test_a_reset_ends_the_access_tokens_that_are_out(ann: Person) -> None:
    stolen = issued_a_minute_ago(ann)
    before = (await stolen("find")).status
    token, token_id = await process.service().confirmations.issue(ann.id, "reset")
    reset = {"token": token, "tokenId": token_id, "password": "other words"}
    await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", reset)
    again = await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "other words"})

    assert (before, (await stolen("find")).status) == (200, 401)
    assert (await again("find")).status == 200


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
async def test_a_login_that_is_under_way_ends_with_a_reset(ann: Person) -> None:
    """Its password was right when it was looked at; the tokens are of the same second as the reset."""
    service = process.service()
    before = await service.users.find(ann.id)
    assert before is not None
    token, token_id = await service.confirmations.issue(ann.id, "reset")
    reset = {"token": token, "tokenId": token_id, "password": "other words"}
    await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", reset)
    late = await service.sessions.start(before, "local-userpass")
    again = await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "other words"})

    async def statuses(access_token: str, refresh_token: str) -> list[int]:
        found = await ann._replace(access_token=access_token)("find")
        return [found.status, (await send(ann.host, "POST", SESSION, None, refresh_token)).status]

    assert await statuses(late.access_token, late.refresh_token) == [401, 401]
    assert await statuses(again.access_token, again.refresh_token) == [200, 200]


async def test_a_key_and_an_identity_that_were_added_outlive_a_reset(ann: Person) -> None:
    """They are no tokens: whoever has to be kept out is disabled."""
    key = (await send(ann.host, "POST", KEYS, {"name": "thief"}, ann.refresh_token)).json["key"]
    theirs = {"token": custom_token(sub="the thief")}
    await send(ann.host, "POST", f"{LOGIN}/custom-token/login?link=true", theirs, ann.access_token)
    token, token_id = await process.service().confirmations.issue(ann.id, "reset")
    reset = {"token": token, "tokenId": token_id, "password": "other words"}
    await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", reset)
    added = [await log_in(ann.host, "api-key", {"key": key}), await log_in(ann.host, "custom-token", theirs)]
    await process.service().users.disable(ann.id)

    assert [each.id for each in added] == [ann.id, ann.id]
    assert [(await each("find")).status for each in added] == [401, 401]


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
async def test_an_identity_is_not_linked_behind_a_reset(ann: Person) -> None:
    """A call that is under way has looked at its token before: the app's function may take seconds."""
    service, claims = process.service(), {"email": "thief@shop.example"}
    before = await service.users.find(ann.id)
    assert before is not None
    await service.sessions.revoke(ann.id)
    now = await service.users.find(ann.id)
    assert now is not None

    await service.links.link(before, "custom-token", "the thief", claims)
    await service.links.link(now, "custom-token", "ann herself", {})

    assert await service.users.by_identity("custom-token", "the thief") is None
    assert await service.users.by_identity("custom-token", "ann herself") == await service.users.find(ann.id)
    assert (await service.users.find(ann.id) or now).data == now.data


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
async def test_a_token_that_has_ended_changes_no_account_while_calls_still_know_it(
    ann: Person, configured: pytest.MonkeyPatch
) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "3600")
    restart()
    stolen = issued_a_minute_ago(ann)
    body = {"token": custom_token(sub="the thief")}
    await stolen("find")
    await process.service().sessions.revoke(ann.id)

    linked = await send(ann.host, "POST", f"{LOGIN}/custom-token/login?link=true", body, stolen.access_token)
    deleted = await send(ann.host, "DELETE", "/api/client/v2.0/auth/delete", None, stolen.access_token)

    assert (await stolen("find")).status == 200
    assert (linked.status, deleted.status) == (401, 401)
    assert await process.service().users.by_identity("custom-token", "the thief") is None


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
async def test_a_caller_is_known_from_before_the_look_at_the_account(
    ann: Person, configured: pytest.MonkeyPatch, driver: Any, fail_point: FailPoint
) -> None:
    configured.setenv("AUTH_CACHE_SECONDS", "0.3")
    restart()
    stolen = issued_a_minute_ago(ann)
    await fail_point("find", namespace="dozen.users", blockConnection=True, blockTimeMS=400)
    before = await stolen("find")

    await driver.dozen.users.update_one({"_id": ObjectId(ann.id)}, {"$set": {"disabled": True}})

    assert (before.status, (await stolen("find")).status) == (200, 401)


@pytest.mark.parametrize("app_host", ["worker"], indirect=True)
@pytest.mark.parametrize("is_loose", [False, True], ids=["simple", "loose"])
async def test_nobody_makes_custom_data_of_another(ann: Person, database: Any, is_loose: bool) -> None:
    if is_loose:
        await database.create_collection("people", collation={"locale": "en", "strength": 2})
    await database.people.insert_many([
        {"_id": 1, "user_id": ["the thief", ann.id], "team": "an array"},
        {"_id": 2, "user_id": [ann.id], "team": "an array of one"},
        {"_id": 3, "user_id": {"x": ann.id}, "team": "an object"},
        {"_id": 4, "user_id": ann.id.upper(), "team": "in capitals"},
        {"_id": 5, "user_id": ObjectId(ann.id), "team": "another type"},
    ])  # fmt: skip
    without = await process.service().custom_data.of(ann.id)
    await database.people.insert_one({"_id": 6, "user_id": ann.id, "team": "her own"})

    assert without is None
    assert (await process.service().custom_data.of(ann.id) or {})["team"] == "her own"


async def test_custom_data_that_cannot_be_read_are_a_late_answer_and_no_bug(
    ann: Person, database: Any, fail_point: FailPoint
) -> None:
    await database.people.insert_one({"user_id": ann.id, "team": "red" * 2_000})  # more than a token holds
    again = await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "secret words"})
    await fail_point("find", times=5, namespace="shop.people", errorCode=50)

    answer = await again("find")

    assert (answer.status, errors_only(answer)["error_code"]) == (504, "ExecutionTimeLimitExceeded")


async def test_a_reset_that_stops_half_way_leaves_no_session(ann: Person, driver: Any, fail_point: FailPoint) -> None:
    a_minute_ago = {"$set": {"created": datetime.now(UTC) - timedelta(minutes=1)}}
    await driver.dozen.sessions.update_many({"user_id": ObjectId(ann.id)}, a_minute_ago)
    token, token_id = await process.service().confirmations.issue(ann.id, "reset")
    reset = {"token": token, "tokenId": token_id, "password": "other words"}
    await fail_point("delete", times=5, namespace="dozen.sessions", errorCode=50)

    stopped = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", reset)
    refreshed = await send(ann.host, "POST", SESSION, None, ann.refresh_token)
    again = await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "other words"})

    assert (stopped.status, refreshed.status) == (504, 401)
    assert (await send(ann.host, "POST", SESSION, None, again.refresh_token)).status == 200


async def test_one_reset_uses_up_every_token(ann: Person, driver: Any) -> None:
    issued = await asyncio.gather(*(process.service().confirmations.issue(ann.id, "reset") for _ in range(5)))
    bodies = [{"token": token, "tokenId": token_id, "password": "other words"} for token, token_id in issued]
    answers = [await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", body) for body in bodies]

    assert [answer.status for answer in answers].count(200) <= 1
    assert await driver.dozen.confirmations.count_documents({"kind": "reset"}) <= 4


async def test_a_token_for_one_purpose_is_of_no_use_for_another(ann: Person) -> None:
    confirm, confirm_id = await process.service().confirmations.issue(ann.id, "confirm")
    reset, reset_id = await process.service().confirmations.issue(ann.id, "reset")

    as_reset = {"token": confirm, "tokenId": confirm_id, "password": "other words"}
    as_confirm = {"token": reset, "tokenId": reset_id}
    mixed = {"token": confirm, "tokenId": reset_id, "password": "other words"}

    assert (await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", as_reset)).status == 400
    assert (await send(ann.host, "POST", f"{LOGIN}/local-userpass/confirm", as_confirm)).status == 400
    assert (await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset", mixed)).status == 400


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [{"a": 1}]},
        {"aud": {"shop-callers": 1}},
        {"aud": [["shop-callers"]]},
        {"aud": True},
        {"aud": None},
        {"aud": "SHOP-CALLERS"},
        {"exp": "soon"},
        {"exp": [1]},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": -1},
        {"exp": True},
        {"nbf": 4_000_000_000},
        {"nbf": "later"},
        {"nbf": float("inf")},
        {"iat": "x"},
        {"iat": float("inf")},
        {"iat": 4_000_000_000},
        {"sub": 5},
        {"sub": ""},
        {"sub": "x" * 2000},
        {"sub": {"$ne": ""}},
        {"profile": [{"name": "x"}, {"name": 10**400}]},
    ],
    ids=str,
)
async def test_a_token_with_claims_of_any_type_is_refused_and_no_fault(
    app_host: Host, users: None, database: Any, claims: Any
) -> None:
    token = custom_token(**claims)
    as_login = await send(app_host, "POST", f"{LOGIN}/custom-token/login", {"token": token})
    as_header = await app_host.request(
        "POST", ACTION + "find", {"jwtTokenString": token}, request_body(collection="orders")
    )

    assert (as_login.status, errors_only(as_login)["error_code"]) == (401, "AuthError")
    assert (as_header.status, errors_only(as_header)["error_code"]) == (401, "InvalidSession")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"kid": "../../dev/null"},
        {"kid": {"$ne": ""}},
        {"kid": 5},
        {"jku": "http://127.0.0.1:1/keys", "jwk": {"kty": "oct", "k": "AA"}},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"typ": 5},
    ],
    ids=str,
)
async def test_the_header_of_a_token_chooses_nothing(app_host: Host, users: None, header: Any) -> None:
    encode, others = jwt.utils.base64url_encode, "o" * 40
    claims = jwt.decode(custom_token(), options={"verify_signature": False})
    signed = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256"} | header, claims))
    signature = encode(hmac.new(others.encode(), signed, "sha256").digest())

    answer = await send(
        app_host, "POST", f"{LOGIN}/custom-token/login", {"token": (signed + b"." + signature).decode()}
    )

    assert (answer.status, errors_only(answer)["error_code"]) == (401, "AuthError")


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"$project": {"x": "$$USER_ROLES"}}],
        [{"$set": {"x": {"$first": ["$$USER_ROLES"]}}}],
        [{"$search": {"index": "default", "text": {"query": "x", "path": "secret"}}}],
        [{"$searchMeta": {}}],
        [{"$vectorSearch": {"index": "v", "path": "secret", "queryVector": [1], "limit": 1}}],
        [{"$rankFusion": {"input": {"pipelines": {"a": [{"$sort": {"secret": 1}}]}}}}],
        [{"$scoreFusion": {"input": {"pipelines": {}}}}],
        [{"$score": {"score": "$secret"}}],
        [{"$queryStats": {}}],
        [{"$documents": []}],
        [{"$listSearchIndexes": {}}],
        [{"$listClusterCatalog": {}}],
        [{"$querySettings": {}}],
        [{"$changeStream": {}}],
        [{"$geoNear": {"near": [0, 0], "distanceField": "d"}}],
        [{"$_internalInhibitOptimization": {}}],
    ],
    ids=str,
)
async def test_stages_of_any_release_that_look_past_the_rules_are_refused(
    ann: Person, database: Any, pipeline: Any
) -> None:
    answer = await ann("aggregate", collection="other", pipeline=pipeline)

    assert (answer.status, errors_only(answer)["error_code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize("part", ["header", "claims"])
async def test_a_token_of_endless_depth_is_refused_and_no_fault(ann: Person, part: str) -> None:
    parts = {"header": b'{"alg":"HS256","typ":"JWT"}', "claims": b'{"sub":"x","exp":9999999999}'}
    parts[part] = b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    token = ".".join(jwt.utils.base64url_encode(each).decode() for each in (*parts.values(), b"x" * 32))

    as_login = await send(ann.host, "POST", f"{LOGIN}/custom-token/login", {"token": token})
    as_access = await ann._replace(access_token=token)("find")

    assert [(each.status, errors_only(each)["error_code"]) for each in (as_login, as_access)] == [
        (401, "AuthError"), (401, "InvalidSession")
    ]  # fmt: skip


async def test_stages_that_compute_on_neighbours_see_visible_documents_only(ann: Person, database: Any) -> None:
    await database.other.insert_many([
        {"_id": 1, "owner": ann.id, "n": 1},
        {"_id": 2, "owner": "u2", "n": 7777},
        {"_id": 3, "owner": ann.id, "n": None},
    ])  # fmt: skip
    window = {
        "sortBy": {"_id": 1},
        "output": {"sum": {"$sum": "$n", "window": {"documents": ["unbounded", "unbounded"]}}},
    }

    for stage in (
        {"$setWindowFields": window},
        {"$fill": {"sortBy": {"_id": 1}, "output": {"n": {"method": "locf"}}}},
        {"$densify": {"field": "_id", "range": {"step": 1, "bounds": "full"}}},
        {"$redact": {"$cond": [{"$eq": ["$owner", "u2"]}, "$$KEEP", "$$KEEP"]}},
        {"$bucketAuto": {"groupBy": "$n", "buckets": 2}},
        {"$sortByCount": "$n"},
    ):
        answer = await ann("aggregate", collection="other", pipeline=[stage])
        assert answer.status == 200, answer.body
        assert b"7777" not in answer.body


@pytest.mark.parametrize(
    "condition",
    [
        '{"_id": 1, "_id": {"$gt": 0}, "secret": 1}',
        '{"secret": 1, "secret": {"$exists": true}}',
        '{"_id": {"$ref": "x", "$id": 1, "$gt": 0}}',
        '{"_id": {"$id": 1, "$gt": 0}}',
        '{"_id": {"$eq": 1, "$type": "int"}, "secret": {"$in": [1]}}',
        '{"_id": {"$not": {"$not": {"$gt": 0}}}, "secret.0": 1}',
        '{"secret.": 1}',
        '{".secret": 1}',
        '{"$and": [{"$and": [{"$or": [{"secret": 1}]}]}]}',
        '{"$comment": {"secret": 1}, "secret": 1}',
        '{"lines": {"$elemMatch": {"$or": [{"cost": 9}]}}}',
        '{"lines": {"$elemMatch": {"cost": 9, "sku": "A"}}}',
        '{"lines": {"$not": {"$elemMatch": {"cost": 1}}}}',
        '{"lines": {"$all": [{"$elemMatch": {"cost": 9}}]}}',
        '{"lines.0": {"sku": "A", "cost": 9}}',
        '{"lines": {"$gt": {"sku": "A", "cost": 0}}}',
        '{"lines": {"$in": [[{"sku": "A", "cost": 9}]]}}',
        '{"lines": {"$type": "array"}}',
        '{"address": {"$gt": {"city": "A"}}}',
        '{"address": {"$exists": true}}',
        '{"lines.1.cost": {"$exists": false}}',
        '{"lines.cost": {"$size": 0}}',
        '{"secret": {"$exists": false}}',
        '{"lines": {"$size": 1}}',
        '{"lines": [{"sku": "A"}]}',
        '{"address": {"city": "B"}}',
        '{"lines.cost": {"$type": "number"}}',
    ],
)
async def test_a_filter_tells_nothing_of_what_is_hidden(ann: Person, database: Any, condition: str) -> None:
    stored = {"_id": 1, "owner": ann.id, "title": "mine", "address": {"city": "B"}, "lines": [{"sku": "A"}]}
    hidden = {"secret": 1, "address": {"city": "B", "door_code": "7"}, "lines": [{"sku": "A", "cost": 9}]}
    body = request_body(collection="orders", filter="?").replace(b'"?"', condition.encode())
    headers = {"Authorization": f"Bearer {ann.access_token}"}
    answers = []
    for document in (stored, stored | hidden):
        await database.orders.delete_many({})
        await database.orders.insert_one(document)
        answers.append(await ann.host.request("POST", ACTION + "find", headers, body))

    assert [answer.status for answer in answers] in ([200, 200], [400, 400], [403, 403])
    assert answers[0].body == answers[1].body


@pytest.mark.parametrize(
    "update",
    [
        {"$max": {"secret": 1}},
        {"$inc": {"secret": 0}},
        {"$unset": {"secret": ""}},
        {"$rename": {"secret": "title"}},
        {"$rename": {"title": "secret"}},
        {"$set": {"secret.x": 1}},
        {"$pull": {"lines": {"cost": 9}}},
        {"$pull": {"lines": {"$or": [{"cost": 9}]}}},
        {"$push": {"lines": {"$each": [], "$sort": {"cost": 1}}}},
        {"$push": {"lines": {"$each": [], "$slice": 0}}},
        {"$pop": {"lines": 1}},
        {"$set": {"lines.$[].cost": 9}},
        {"$set": {"lines.0": {"sku": "B"}}},
        {"$set": {"address": {"city": "C"}}},
        {"$addToSet": {"lines": {"sku": "A", "cost": 9}}},
        {"$bit": {"secret": {"and": 1}}},
        {"$currentDate": {"secret": True}},
        {"$setOnInsert": {"secret": 1}, "$set": {"owner": "u2"}},
        [{"$set": {"title": {"$toString": "$secret"}}}],
        [{"$unset": "secret"}],
        [{"$replaceWith": {"owner": "u2"}}],
    ],
    ids=str,
)
async def test_an_update_tells_nothing_of_what_is_hidden_and_changes_nothing_of_it(
    ann: Person, database: Any, update: Any
) -> None:
    stored = {"_id": 1, "owner": ann.id, "title": "mine", "secret": 1,
              "address": {"city": "B", "door_code": "7"}, "lines": [{"sku": "A", "cost": 9}]}  # fmt: skip
    other = stored | {"secret": "x", "address": {"city": "B", "door_code": 8}, "lines": [{"sku": "A", "cost": [1]}]}
    answers = []
    for document in (stored, other):
        await database.orders.delete_many({})
        await database.orders.insert_one(document)
        answers.append(await ann("updateOne", filter={"_id": 1}, update=update))
        assert await database.orders.find_one() == document

    assert answers[0].status == 400
    assert answers[0].body == answers[1].body


@pytest.mark.parametrize(
    "update",
    [
        [{"$set": {"note": {"$ifNull": ["$secret", "none"]}}}],
        [{"$set": {"note": {"$type": "$address.door_code"}}}],
        [{"$set": {"note": {"$size": {"$objectToArray": "$$ROOT"}}}}],
    ],
    ids=str,
)
async def test_a_pipeline_does_not_tell_that_a_hidden_field_is_not_there(
    ann: Person, database: Any, update: Any
) -> None:
    plain = {"_id": 1, "owner": ann.id, "title": "mine"}
    statuses = []
    for document in (plain, plain | {"secret": 1, "address": {"door_code": 7}}):
        await database.orders.delete_many({})
        await database.orders.insert_one(document)
        statuses.append((await ann("updateOne", filter={"_id": 1}, update=update)).status)
        assert await database.orders.find_one() == document

    assert statuses == [400, 400]


async def test_a_pipeline_does_not_tell_of_a_field_that_a_filter_hides(ann: Person, database: Any) -> None:
    await database.people.insert_one({"user_id": ann.id, "team": "red"})
    renewed = await send(ann.host, "POST", SESSION, token=ann.refresh_token)
    ann = ann._replace(access_token=renewed.json["access_token"])
    await database.notes.insert_one({"_id": 1, "team": "red"})
    update = [{"$set": {"text": {"$ifNull": ["$internal", "none"]}}}]

    answer = await ann("updateOne", collection="notes", filter={"_id": 1}, update=update)

    assert (answer.status, await database.notes.find_one()) == (400, {"_id": 1, "team": "red"})


async def test_a_document_of_which_nothing_is_hidden_can_be_replaced(ann: Person, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": ann.id, "title": "mine"})
    replace: Any = {"filter": {"_id": 1}, "replacement": {"owner": ann.id, "title": "new"}}

    replaced = await ann("replaceOne", **replace)
    await database.orders.update_one({"_id": 1}, {"$set": {"secret": 1}})
    refused = await ann("replaceOne", **replace)

    assert (replaced.status, refused.status) == (200, 400)


async def test_an_upsert_never_meets_what_is_hidden(ann: Person, database: Any) -> None:
    await database.orders.insert_one({"_id": 1, "owner": "u2", "title": "theirs", "secret": 1})

    by_id = await ann("updateOne", filter={"_id": 1}, update={"$set": {"owner": ann.id}}, upsert=True)
    by_title = await ann("updateMany", filter={"title": "theirs"}, update={"$set": {"owner": ann.id}}, upsert=True)
    by_owner = await ann("replaceOne", filter={"owner": "u2"}, replacement={"owner": "u2"}, upsert=True)

    assert by_id.status == 400
    assert by_title.json["matchedCount"] == 0
    assert by_owner.status in {400, 403}
    assert await database.orders.find_one({"_id": 1}) == {"_id": 1, "owner": "u2", "title": "theirs", "secret": 1}


@pytest.mark.parametrize(
    "email", ["Ann@shop.example", "ann@shop.example ", "ann@shop.example\u200b", "\uff41nn@shop.example"]
)
async def test_an_address_like_another_is_another(ann: Person, email: str, driver: Any) -> None:
    body = {"username": email, "password": "secret words"}
    reset = await send(ann.host, "POST", f"{LOGIN}/local-userpass/reset/send", {"email": email})

    assert (await send(ann.host, "POST", f"{LOGIN}/local-userpass/login", body)).status == 401
    assert reset.status == 404


async def test_what_was_deleted_and_made_again_is_somebody_else(ann: Person) -> None:
    await send(ann.host, "DELETE", "/api/client/v2.0/auth/delete", token=ann.access_token)
    register = {"email": "ann@shop.example", "password": "secret words"}
    await send(ann.host, "POST", f"{LOGIN}/local-userpass/register", register)
    again = await log_in(ann.host, "local-userpass", {"username": "ann@shop.example", "password": "secret words"})

    assert again.id != ann.id
    assert (await send(ann.host, "POST", SESSION, token=ann.refresh_token)).status == 401
    assert (await ann("find")).status == 401


async def test_a_token_of_another_deployment_or_app_is_refused(ann: Person) -> None:
    claims = jwt.decode(ann.access_token, options={"verify_signature": False})
    key = hmac.new(SETTINGS["SESSION_SECRET"].encode(), b"dozen session tokens", "sha256").digest()
    forged = [claims | change for change in (
        {"iss": "65a1b2c3d4e5f60718293a4b"}, {"typ": "refresh"}, {"typ": None}, {"exp": 1}, {"exp": float("inf")},
        {"sub": str(ObjectId())}, {"sub": "system"}, {"key_id": str(ObjectId())}, {"key_id": "x"},
        {"key_id": claims["sub"]},
    )]  # fmt: skip

    for each in forged:
        answer = await ann._replace(access_token=jwt.encode(each, key, "HS256"))("find")
        assert (answer.status, errors_only(answer)["error_code"]) == (401, "InvalidSession")
    assert (await ann._replace(access_token=jwt.encode(claims, key, "HS256"))("find")).status == 200


async def test_what_an_issuer_says_no_more_gives_no_rights(known: Known, changed: Any, worker: Worker) -> None:
    """Once a token with a claim had come, one without it was as good."""
    config = json.loads((ROOT / "tests" / "apps" / "shop" / "auth" / "providers.json").read_text())["custom-token"]
    fields = [{"name": "job"}, {"name": "mail", "field_name": "email"}]
    changed("auth/providers.json", **{"custom-token": config | {"metadata_fields": fields}})
    boss = {"name": "boss", "apply_when": {"%%user.data.job": "boss"}, "read": True, "write": True}
    changed("data_sources/mongodb-atlas/shop/notes/rules.json", roles=[boss], filters=[])
    ann = await known(worker, "ann@shop.example")
    said = custom_token(job="boss", mail="other@shop.example")
    await send(worker, "POST", f"{LOGIN}/custom-token/login?link=true", {"token": said}, ann.access_token)

    async def noted(token: str) -> list[int]:
        body = request_body(collection="notes", document={})
        by_header = await worker.request("POST", ACTION + "insertOne", {"jwtTokenString": token}, body)
        return [by_header.status, (await ann("insertOne", collection="notes", document={})).status]

    before, after = await noted(said), await noted(custom_token())
    profile = await send(worker, "GET", PROFILE, token=ann.access_token)

    assert (before, after) == ([201, 201], [403, 403])
    assert profile.json["data"] == {"email": "ann@shop.example"}
