"""The app's own HTTPS endpoints, and webhooks at their older URLs: each is answered by a function of the app."""

import re
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from urllib.parse import unquote

import azure.functions as func

from shared.app.model import methods_of
from shared.endpoint.actions import Actions, answer, not_found
from shared.endpoint.bodies import may_be_large, refuse_body
from shared.endpoint.client import ALLOWED_HEADERS, CLIENT_ROUTE
from shared.endpoint.endpoint_calls import EndpointCall, endpoint_for
from shared.endpoint.http import ALL_METHODS, CREDENTIAL_HEADERS, NO_CONTEXT, Exchange, path_of, respond
from shared.endpoint.spellings import spelled
from shared.mongo.deadlines import driver_call

_NAME = "endpoint"
_ROUTE = re.compile(r"/app/[^/]+/endpoint(?P<route>(?:/.*)?)", re.DOTALL)
_HOOK = re.compile(rf"/{CLIENT_ROUTE}app/[^/]+/service/(?P<service>[^/]+)/incoming_webhook/(?P<name>[^/]+)/?")
_SLASH = re.compile("%(?=2[Ff])")


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the functions; below the endpoints' URL are other spellings of the URLs of these actions, too."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route("app/{app_id}/endpoint/{*route}", methods=ALL_METHODS)
    async def endpoint(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Answer what the function of the route makes of the response."""
        if (named := spelled(path_of(req))) is not None:
            return await answer(req, actions.get(named.action), named.app, named.version, context)
        match = _ROUTE.fullmatch(path_of(req))  # the platform matches routes without regard to case, Atlas did not
        return await respond(req, context, _NAME, partial(_answer, None if match is None else match["route"]))

    @bp.route(CLIENT_ROUTE + "app/{app_id}/service/{service}/incoming_webhook/{hook}", methods=ALL_METHODS)
    async def webhook(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Answer as the endpoint that the webhook has become."""
        match = _HOOK.fullmatch(path_of(req))
        route = None if match is None else f"/{match['service']}/{match['name']}"
        return await respond(req, context, _NAME, partial(_answer, route))

    return bp


async def _answer(route: str | None, exchange: Exchange) -> func.HttpResponse:
    req, app, settings = exchange.request, exchange.app, exchange.service.settings
    exchange.refuse_other_app(req.route_params.get("app_id"))
    # a slash that was escaped stays escaped, as in Azure: no route has one
    found = "" if route is None else unquote(_SLASH.sub("%25", route)).removesuffix("/")
    endpoints = None if app is None or route is None else app.endpoints.by_route.get(found)
    if app is None or endpoints is None:
        raise not_found(req)
    if req.method == "OPTIONS":
        credentials = f", {CREDENTIAL_HEADERS}" if settings.cors_allow_credential_headers else ""
        return exchange.preflight(", ".join([*methods_of(endpoints), "OPTIONS"]), ALLOWED_HEADERS + credentials)
    call = EndpointCall(exchange, app, endpoint_for(req.method, endpoints), found)
    refuse_body(exchange)
    with (
        exchange.service.full_collections if may_be_large(req) else nullcontext(),
        driver_call(settings.mongo_db_timeout_ms, exchange.arrived) as deadline,
    ):
        deadline.refuse_late()
        return await call.response()
