"""Whose rights functions have, each for what it asks: decided here, never by what a function says of itself."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.app.model import Functions
from shared.auth.accounts import Caller
from shared.auth.credentials import Credentials
from shared.errors import FunctionFailedError
from shared.javascript.messages import Frame

_SCRIPTS = 20  # that one call runs, each of which may take what a call may take

type Script = Callable[[str, Caller, Sequence[Any]], Awaitable[str]]
"""Runs the script of a function for a caller, with the function's arguments, in a run of its own."""


class FunctionUsers:
    """The users that the functions of one call run as."""

    def __init__(self, functions: Functions, caller: Caller, credentials: Credentials) -> None:
        """Take the functions, who calls them from outside, and who knows the others."""
        self._functions = functions
        self._caller = caller
        self._credentials = credentials
        self._chosen: dict[int, Caller] = {}
        self._scripts = 0

    async def of(self, chain: Sequence[Frame]) -> Caller:
        """Return whose rights count: of the innermost function that says so, else of who calls from outside.

        Raise FunctionFailedError for a function that asks before its script has chosen.
        """
        for frame in chain:
            function = self._functions.by_name[frame.name]
            if function.run_as_system:
                return self._system
            if function.run_as_user_id:
                return await self._credentials.acting(function.run_as_user_id)
            if function.script:
                if frame.id not in self._chosen:
                    raise FunctionFailedError(f"nobody has chosen yet whom function '{frame.name}' runs as")
                return self._chosen[frame.id]
        return self._caller

    async def choose(self, frame: Frame, arguments: Sequence[Any], script: Script) -> str:
        """Have the script of a function choose its user for one call, and tell whether that is the system.

        Raise FunctionFailedError for a script that chooses nobody, InvalidSessionError for one that is nobody.
        """
        self._scripts += 1
        if self._scripts > _SCRIPTS:
            raise FunctionFailedError(f"a call runs no more than {_SCRIPTS} scripts that choose a user")
        result = json.loads(await script(frame.name, self._system, arguments))
        if result == {"runAsSystem": True}:
            self._chosen[frame.id] = self._system
        elif type(result) is str and result:
            self._chosen[frame.id] = await self._credentials.acting(result)
        else:
            raise FunctionFailedError(f"the script of function '{frame.name}' chooses neither a user nor the system")
        return json.dumps(self._chosen[frame.id].is_system)

    @property
    def _system(self) -> Caller:
        return Caller(self._caller.id, "system", self._caller.user)
