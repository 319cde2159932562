"""What the root of the service answers: what this is, and where to go, as a page or as JSON."""

from base64 import b64encode
from hashlib import sha256
from http import HTTPStatus

import azure.functions as func

from shared.endpoint.http import Exchange, json_response
from shared.errors import MethodNotAllowedError
from shared.settings import VERSION

METHODS = ("GET", "HEAD")

_WHAT = "Dozen, a MongoDB Data API"
_HEADERS = {"Cache-Control": "no-cache", "Vary": "Origin, Accept", "Referrer-Policy": "no-referrer"}
_STYLE = """
:root { color-scheme: light dark; font: 17px/1.6 system-ui, sans-serif; }
body { max-width: 34rem; margin: 14vh auto; padding: 0 20px; }
h1 { font-size: 1.5rem; margin: 0 0 .4rem; }
a { color: light-dark(#0f6b4f, #5ecfa4); }
li { margin: .3rem 0; }
code { font-size: .9em; overflow-wrap: anywhere; }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{what}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{what}</h1>
<p>Programs read and write MongoDB here over HTTP, with a key:
<code>POST app/&lt;app id&gt;/endpoint/data/v1/action/find</code>.</p>
<ul>
{links}
</ul>
</main>
</body>
</html>
"""
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


def front_page(exchange: Exchange) -> func.HttpResponse:
    """Return the page to those who take HTML, else the same as JSON; raise MethodNotAllowedError for other methods."""
    req = exchange.request
    if req.method == "OPTIONS":
        return exchange.preflight(", ".join((*METHODS, "OPTIONS")), "Accept")
    if req.method not in METHODS:
        raise MethodNotAllowedError("method not allowed", METHODS)
    places = {"openapi": "openapi.json", "health": "health/ready"}
    if exchange.service.settings.explorer == "on":
        places = {"explorer": "explorer"} | places
    headers = exchange.headers | _HEADERS
    if "text/html" not in req.headers.get("accept", ""):
        return json_response({"name": _WHAT, "version": VERSION, **places}, HTTPStatus.OK, headers)
    links = "\n".join(f'<li><a href="{place}">{_LABELS[name]}</a></li>' for name, place in places.items())
    page = _PAGE.format(what=_WHAT, style=_STYLE, links=links)
    return func.HttpResponse(
        page, status_code=HTTPStatus.OK, headers=headers | {"Content-Security-Policy": _POLICY}, mimetype="text/html"
    )


_LABELS = {
    "explorer": "Explore your databases",
    "openapi": "The API, as an OpenAPI document",
    "health": "Is it ready?",
}
