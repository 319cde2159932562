"""Checks whether a deployment serves this release: `python -m infra.smoke BASE_URL`. Needs no key, writes nothing."""

import argparse
import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.settings import VERSION

TIMEOUT_S = 30
POLL_S = 2.0


class SmokeError(Exception):
    """The deployment returned something else than it should; the text is one sentence."""


class Answer(NamedTuple):
    """What was returned."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def members(self) -> dict[str, Any]:
        """The body's members; none if it is no JSON object, as a proxy's error page is not."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


class Deployment:
    """A deployment at a base URL."""

    def __init__(self, url: str) -> None:
        """Take scheme, host and port of the URL; the routes start at its root."""
        split = urlsplit(url)
        if split.scheme not in {"http", "https"} or not split.hostname:
            raise SmokeError(f"{url!r} is no base URL: it starts with http:// or https:// and names a host")
        self.kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
        self.host, self.port = split.hostname, split.port

    def send(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send one request on a connection of its own."""
        connection = self.kind(self.host, self.port, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise SmokeError(f"{method} {path} got no answer: {type(error).__name__}") from error
        finally:
            connection.close()


def live(deployment: Deployment) -> None:
    """The process is up, in this version."""
    answer = deployment.send("GET", "/health/live")
    _expect("GET /health/live", answer, 200)
    if (found := answer.members.get("version")) != VERSION:
        raise SmokeError(f"GET /health/live returned version {found}, not of {VERSION}")


def ready(deployment: Deployment) -> None:
    """MongoDB answers."""
    _expect("GET /health/ready", deployment.send("GET", "/health/ready"), 200)


def closed(deployment: Deployment) -> None:
    """Nobody reads without credentials, and the refusal comes from us."""
    body = b'{"dataSource":"mongodb-atlas","database":"smoke","collection":"smoke","filter":{}}'
    answer = deployment.send("POST", "/app/smoke/endpoint/data/v1/action/findOne", body)
    if answer.status not in {400, 401, 403, 404} or "error" not in answer.members:
        raise SmokeError(f"findOne without credentials was answered with {answer.status}")


def mapped(deployment: Deployment) -> None:
    """A path that nobody serves is ours to refuse: the host adds no prefix and no page of its own."""
    answer = deployment.send("GET", "/smoke/no/such/path")
    _expect("GET of a path that does not exist", answer, 404)
    if "error" not in answer.members:
        raise SmokeError("a path that does not exist was refused by something that is not Dozen")


def sniffed(deployment: Deployment) -> None:
    """The headers that host.json or the server adds are there."""
    if deployment.send("GET", "/health/live").headers.get("x-content-type-options") != "nosniff":
        raise SmokeError("x-content-type-options: nosniff is not sent")


CHECKS: tuple[Callable[[Deployment], None], ...] = (live, ready, closed, mapped, sniffed)


def _expect(what: str, answer: Answer, status: int) -> None:
    if answer.status != status:
        reason = answer.members.get("error")
        raise SmokeError(f"{what} was answered with {answer.status}" + (f": {reason}" if reason else ""))


def _until_it_holds(check: Callable[[Deployment], None], deployment: Deployment, deadline: float) -> None:
    """Try again for a while: a deployment takes some time until its new version answers."""
    while True:
        try:
            return check(deployment)
        except SmokeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one after the other; return 1 and say why at the first that does not come true in time."""
    parser = argparse.ArgumentParser(prog="python -m infra.smoke", description=__doc__)
    parser.add_argument("url", help="where the deployment is: https://<host>")
    parser.add_argument("--patience", type=float, default=180, metavar="SECONDS", help="how long to wait for it")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + options.patience
    try:
        deployment = Deployment(options.url)
        for check in CHECKS:
            _until_it_holds(check, deployment, deadline)
            sys.stdout.write(f"ok: {check.__doc__}\n")
    except SmokeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
