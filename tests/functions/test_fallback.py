"""Other spellings of the actions' URLs, and every path that there is not."""

from typing import Any

import pytest

from tests.conftest import errors_only, request_body
from tests.hosts import Host

pytestmark = pytest.mark.both_hosts  # paths are routed by each host in its way

V1 = "/app/shop-abcde/endpoint/data/v1"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"{V1}/action/find", id="Atlas"),
        pytest.param("/app/shop-abcde/endpoint/data/beta/action/find", id="beta"),
        pytest.param("/app/any-other/endpoint/data/v1/action/find", id="any app id while APP_ID is not set"),
        pytest.param(f"{V1}//action/find", id="a base URL that ends in a slash"),
        pytest.param("/app/shop-abcde/endpoint/data/beta//action/find", id="beta and a slash"),
        pytest.param("//app/shop-abcde/endpoint/data/v1/action/find", id="two slashes in front"),
        pytest.param("///app//shop-abcde//endpoint//data//v1//action//find", id="two slashes everywhere"),
        pytest.param(f"{V1}/action/find/", id="a slash at the end"),
        pytest.param(f"{V1}/action/find//", id="two slashes at the end"),
        pytest.param(f"{V1}//action/find/", id="slashes inside and at the end"),
        pytest.param("/action/find", id="short"),
        pytest.param("/action/find/", id="short with a slash"),
        pytest.param("//action/find", id="short with two slashes"),
        pytest.param("/api/mdb_dataapi/action/find", id="MongoDB's Azure sample"),
        pytest.param(f"{V1}/action/find?x=1&y=", id="a query"),
        pytest.param(f"{V1}/action/find?", id="an empty query"),
    ],
)
async def test_a_spelling_of_the_url_is_served(host: Host, key: str, database: Any, url: str) -> None:
    await database.items.insert_one({"_id": 1})

    answer = await host.request("POST", url, {"apiKey": key}, request_body())

    assert (answer.status, answer.body) == (200, b'{"documents":[{"_id":1}]}')


@pytest.mark.parametrize(
    "action",
    ["findOne", "find", "insertOne", "insertMany", "updateOne", "updateMany", "replaceOne", "deleteOne", "deleteMany",
     "aggregate"],
)  # fmt: skip
@pytest.mark.parametrize("prefix", [V1, "/app/x/endpoint/data/beta", V1 + "/", "", "/api/mdb_dataapi", "/data/v1"])
async def test_every_action_has_every_spelling(host: Host, prefix: str, action: str) -> None:
    answer = await host.request("POST", f"{prefix}/action/{action}", {}, b"{}")

    assert answer.status == 400
    assert errors_only(answer)["error"] == "no authentication methods were specified"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/favicon.ico", id="icon"),
        pytest.param(f"{V1}/action/count", id="count"),
        pytest.param(f"{V1}/action/pipeline", id="pipeline"),
        pytest.param(f"{V1}/action/", id="no action"),
        pytest.param(f"{V1}/action", id="no slash"),
        pytest.param(f"{V1}/action/find/one", id="more than an action"),
        pytest.param(f"{V1}/actions/find", id="actions"),
        pytest.param(f"{V1}/action/FindOne", id="action in another case"),
        pytest.param(f"{V1}/action/findone", id="action in lower case"),
        pytest.param("/action/FIND", id="short, in upper case"),
        pytest.param("/app/shop-abcde/endpoint/data/v2/action/find", id="v2"),
        pytest.param("/app/shop-abcde/endpoint/data/V1/action/find", id="V1"),
        pytest.param("/app/shop-abcde/endpoint/data/v2//action/find", id="v2 and a slash"),
        pytest.param("/App/shop-abcde/Endpoint/data/v1/action/find", id="path in another case"),
        pytest.param("/app//endpoint/data/v1/action/find", id="no app id"),
        pytest.param("/api/action/find", id="half of the Azure sample's path"),
        pytest.param("/app/shop-abcde/endpoint/data/v1/action/find%4Fne", id="an escaped letter"),
        pytest.param("/app/shop-abcde/endpoint/data/v1%2Faction%2Ffind", id="escaped slashes"),
        pytest.param("/data/v2/action/find", id="Azure DocumentDB's path in another version"),
        pytest.param("/data/action/find", id="half of Azure DocumentDB's path"),
        pytest.param("/app/shop-abcde/endpoint/custom", id="a custom endpoint"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
async def test_a_path_that_is_not_served_is_404(host: Host, key: str, method: str, url: str) -> None:
    answer = await host.request(method, url, {"apiKey": key}, request_body() if method == "POST" else b"")

    assert answer.status == 404
    assert errors_only(answer) == {"error": f"no endpoint found for '{url}'", "error_code": "EndpointNotFound"}


async def test_the_path_of_a_404_has_no_query(host: Host) -> None:
    answer = await host.request("GET", "/nothing?code=secret")

    assert answer.json["error"] == "no endpoint found for '/nothing'"
