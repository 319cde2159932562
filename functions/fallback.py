"""Every path that no other function has: other spellings of the actions' URLs, and 404 for the rest."""

from collections.abc import Iterable

import azure.functions as func

from shared.endpoint.actions import Actions
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT
from shared.endpoint.spellings import answer_spelled


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function of all other paths, which runs these actions under the other spellings of theirs."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route("{*path}", methods=ALL_METHODS)
    async def fallback(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Run the action that the path names in another spelling, or answer that there is none."""
        return await answer_spelled(req, actions, context)

    return bp
