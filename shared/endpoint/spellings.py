"""The other spellings of the actions' URLs: whoever is called at one runs the action."""

import re
from collections.abc import Mapping

import azure.functions as func

from shared.endpoint.actions import Action, answer
from shared.endpoint.http import path_of

# after slashes were tidied: Atlas's own form, Azure DocumentDB's, that of MongoDB's Azure Functions sample, FerretDB's
_ACTION = re.compile(
    r"(?:(?:/app/(?P<app>[^/]+)/endpoint)?/data/(?P<version>[^/]+)|/api/mdb_dataapi)?/action/(?P<action>[A-Za-z]+)/?"
)


def _match(req: func.HttpRequest) -> re.Match[str] | None:
    return _ACTION.fullmatch(re.sub(r"/{2,}", "/", path_of(req)))


def is_of_action(req: func.HttpRequest) -> bool:
    """Tell whether a path is that of an action, be there one of this name or not."""
    return _match(req) is not None


async def answer_spelled(
    req: func.HttpRequest, actions: Mapping[str, Action], context: func.Context
) -> func.HttpResponse:
    """Run the action that the path names, or answer that there is none."""
    match = _match(req)
    if match is None:
        return await answer(req, None, context=context)
    return await answer(req, actions.get(match["action"]), match["app"], match["version"] or "v1", context)
