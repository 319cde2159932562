"""Where the app is: clients ask before they log in."""

from http import HTTPStatus
from urllib.parse import urlsplit

import azure.functions as func

from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function

bp = func.Blueprint()


@bp.route(CLIENT_ROUTE + "app/{app_id}/location", methods=ALL_METHODS)
@client_function("location", "GET")
async def location(call: ClientCall) -> Answer:
    """Name this very host, as the caller reached it."""
    parts = urlsplit(call.url)
    scheme = call.forwarded_scheme or parts.scheme
    return HTTPStatus.OK, {
        "deployment_model": "GLOBAL",
        "location": "US-VA",
        "hostname": f"{scheme}://{parts.netloc}",
        "ws_hostname": f"{'wss' if scheme == 'https' else 'ws'}://{parts.netloc}",
    }
