"""Sessions of users who are logged in: refreshed, ended."""

from http import HTTPStatus

import azure.functions as func

from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function

bp = func.Blueprint()


@bp.route(CLIENT_ROUTE + "auth/session", methods=ALL_METHODS)
@client_function("session", "POST", "DELETE")
async def session(call: ClientCall) -> Answer:
    """POST gives a new access token, DELETE logs out; both take the refresh token."""
    return await _session(call)


@bp.route(CLIENT_ROUTE + "app/{app_id}/auth/session", methods=ALL_METHODS)
@client_function("appSession", "POST", "DELETE")
async def app_session(call: ClientCall) -> Answer:
    """Do the same where the path names the app."""
    return await _session(call)


async def _session(call: ClientCall) -> Answer:
    if call.method == "DELETE":
        await call.service.sessions.end(call.token)
        return HTTPStatus.OK, {}
    user, access_token = await call.service.sessions.refreshed(call.token)
    call.logged(user)
    return HTTPStatus.OK, {"access_token": access_token}
