"""mcp: a door for agents."""

from collections.abc import Iterable
from functools import partial

import azure.functions as func

from shared.endpoint.actions import Action, Actions, not_found
from shared.endpoint.http import ALL_METHODS, NO_CONTEXT, Exchange, respond

_NAME = "mcp"


def blueprint(groups: Iterable[Actions]) -> func.Blueprint:
    """Return the function whose tools are these actions."""
    actions = {name: action for group in groups for name, action in group.by_name.items()}
    bp = func.Blueprint()

    @bp.route(_NAME, methods=ALL_METHODS)
    async def mcp(req: func.HttpRequest, context: func.Context = NO_CONTEXT) -> func.HttpResponse:
        """Answer one message of the Model Context Protocol, where MCP says so."""
        return await respond(req, context, _NAME, partial(_answer, actions))

    return bp


async def _answer(actions: dict[str, Action], exchange: Exchange) -> func.HttpResponse:
    if exchange.service.settings.mcp == "off":
        raise not_found(exchange.request)
    from shared.mcp import door  # noqa: PLC0415  only an open door pays for it

    return await door.answer(exchange, actions)
