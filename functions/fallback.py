"""Every path that no other function has: other spellings of the actions' URLs, and 404 for the rest."""

from collections.abc import Iterable

import azure.functions as func

from shared.endpoint.actions import Actions, answer
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, path_of
from shared.endpoint.spellings import spelled


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function of all other paths, which runs these actions under the other spellings of theirs."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route("{*path}", methods=ALL_METHODS)
    async def fallback(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Run the action that the path names in another spelling, or answer that there is none."""
        named = spelled(path_of(req))
        if named is None:
            return await answer(req, None, context=context)
        return await answer(req, actions.get(named.action), named.app, named.version, context)

    return bp
