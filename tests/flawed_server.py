"""The server, in whose processes something is as no caller can make it: FLAW says what.

`sources`: they are started with other data sources than their parent had, as after a change of the settings.
`look`: the first time that their numbers are looked up fails.
"""

import os
from typing import Any

from shared.endpoint import gauges


def have_other_sources() -> None:
    """Be started by a parent that knows of one data source less."""
    os.environ["MONGO_DB_URI__OTHER"] = os.environ["MONGO_DB_URI"]


def fail_once() -> None:
    """Raise what a dictionary does that another thread changes, and go on as usual from then on."""
    look = gauges.sample

    def failing(*_: Any) -> None:
        gauges.sample = look
        raise RuntimeError("dictionary changed size during iteration")

    gauges.sample = failing  # type: ignore[assignment]


if __name__ == "__main__":
    from server import main

    main()
else:  # a process that this one has started
    {"sources": have_other_sources, "look": fail_once}[os.environ["FLAW"]]()
