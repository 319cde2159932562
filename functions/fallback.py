"""Every path that no other function has: the root, other spellings of the actions' URLs, and 404 for the rest."""

from collections.abc import Iterable

import azure.functions as func

from shared.endpoint.actions import Actions, answer
from shared.endpoint.front_page import front_page
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, Exchange, path_of, respond
from shared.endpoint.spellings import spelled


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function of all other paths, which runs these actions under the other spellings of theirs."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route("{*path}", methods=ALL_METHODS)
    async def fallback(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Run the action that the path names in another spelling, or answer that there is none."""
        path = path_of(req)
        if path == "/":  # which is no route: Azure's host takes an empty one for the function's name
            return await respond(req, context, "root", _root)
        named = spelled(path)
        if named is None:
            return await answer(req, None, context=context)
        return await answer(req, actions.get(named.action), named.app, named.version, context)

    return bp


async def _root(exchange: Exchange) -> func.HttpResponse:
    return front_page(exchange)
