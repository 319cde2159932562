"""Every path that no other function has: other spellings of the actions' URLs, and 404 for the rest."""

import re
from collections.abc import Iterable

import azure.functions as func

from shared.endpoint.actions import Actions, answer
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, path_of

# after slashes were tidied: Atlas's own form, Azure DocumentDB's, that of MongoDB's Azure Functions sample, FerretDB's
_ACTION = re.compile(
    r"(?:(?:/app/(?P<app>[^/]+)/endpoint)?/data/(?P<version>[^/]+)|/api/mdb_dataapi)?/action/(?P<action>[A-Za-z]+)/?"
)


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function of all other paths, which runs these actions under the other spellings of theirs."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route("{*path}", methods=ALL_METHODS)
    async def fallback(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Run the action that the path names in another spelling, or answer that there is none."""
        match = _ACTION.fullmatch(re.sub(r"/{2,}", "/", path_of(req)))
        if match is None:
            return await answer(req, None, context=context)
        return await answer(req, actions.get(match["action"]), match["app"], match["version"] or "v1", context)

    return bp
