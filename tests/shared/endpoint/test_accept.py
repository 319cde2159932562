"""The format of a reply: what Accept asks for, through both hosts."""

import pytest

from tests.conftest import Post

pytestmark = pytest.mark.both_hosts  # headers come through each host in its way

JSON, EJSON = "application/json", "application/ejson"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param(None, JSON, id="absent"),
        pytest.param("*/*", JSON, id="anything"),
        pytest.param("application/json", JSON, id="JSON"),
        pytest.param("application/ejson", EJSON, id="EJSON"),
        pytest.param("Application/EJSON", EJSON, id="case does not matter"),
        pytest.param("application/ejson; charset=utf-8", EJSON, id="a parameter"),
        pytest.param("application/json, text/plain, */*", JSON, id="axios"),
        pytest.param("application/ejson, application/json", EJSON, id="the first of two"),
        pytest.param("application/json, application/ejson", JSON, id="the first of two, turned round"),
        pytest.param("text/html, application/ejson", EJSON, id="the first that is known"),
        pytest.param("application/json;q=0.5, application/ejson", EJSON, id="the better"),
        pytest.param("application/json ; q=0.9 , application/ejson ; q=0.8", JSON, id="the better, with spaces"),
        pytest.param("application/json;q=0.5,application/ejson;q=0.50", JSON, id="equally good: the first"),
        pytest.param("application/ejson;q=0", JSON, id="not acceptable"),
        pytest.param("application/json;q=0, application/ejson;q=0.1", EJSON, id="one is not acceptable"),
        pytest.param("application/ejson;Q=0.1, application/json;q=0.2", JSON, id="Q in upper case"),
        pytest.param("application/ejson;q=x", EJSON, id="a quality that is none"),
        pytest.param("application/{{CONTENT_TYPE}}", JSON, id="a template that was not filled"),
        pytest.param("text/html", JSON, id="neither"),
        pytest.param(",;,=", JSON, id="nonsense"),
    ],
)
async def test_accept_chooses_the_format(post: Post, accept: str | None, kind: str) -> None:
    answer = await post("deleteMany", accept=accept, filter={"_id": "none"})

    assert answer.status == 200
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize("kind", ["application/json", "application/ejson", "text/plain", "x", None])
@pytest.mark.parametrize("accept", [JSON, EJSON])
async def test_the_format_of_the_request_decides_nothing(post: Post, kind: str | None, accept: str) -> None:
    headers = {"apiKey": post.key, "Accept": accept} | ({"Content-Type": kind} if kind else {})
    body = b'{"dataSource":"s","database":"shop","collection":"items","filter":{"_id":{"$oid":"%b"}}}' % (b"0" * 24)

    answer = await post.host.request("POST", "/action/findOne", headers, body)

    assert (answer.status, answer.headers["content-type"]) == (200, accept)
