"""Who is calling."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """A caller: `id` is what the log shows, `user` what `%%user` shows to rules.

    A system caller is bound by no rules; a server caller is an API key of its own; the others are users.
    """

    id: str
    kind: Literal["system", "server", "normal"] = "normal"
    user: Mapping[str, Any] = {}

    @property
    def is_system(self) -> bool:
        """Whether no rules apply."""
        return self.kind == "system"
