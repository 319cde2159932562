"""What the app knows of the user who is logged in."""

from http import HTTPStatus

import azure.functions as func

from shared.auth.accounts import SERVER
from shared.endpoint.client import ALL_METHODS, CLIENT_ROUTE, Answer, ClientCall, client_function
from shared.errors import BadRequestError

bp = func.Blueprint()


@bp.route(CLIENT_ROUTE + "auth/profile", methods=ALL_METHODS)
@client_function("profile", "GET")
async def profile(call: ClientCall) -> Answer:
    """Answer id, identities and data of the user whose access token it is."""
    user = await call.user_of_access()
    return HTTPStatus.OK, {
        "user_id": user.id,
        "domain_id": call.service.tokens.domain,
        "identities": user.identities,
        "data": user.data,
        "type": user.type,
    }


@bp.route(CLIENT_ROUTE + "auth/delete", methods=ALL_METHODS)
@client_function("deleteUser", "DELETE")
async def delete(call: ClientCall) -> Answer:
    """Delete the user whose access token it is, with all sessions; what the user wrote stays."""
    user = await call.user_of_access()
    if user.type == SERVER:
        raise BadRequestError("an API key that is a user by itself is deleted by an operator only")
    await call.service.users.delete(user.id, call.functions)
    await call.service.sessions.revoke(user.id)
    return HTTPStatus.OK, {}
