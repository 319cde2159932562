"""What stops a local run: one sentence for the developer."""


class LocalError(Exception):
    """The run cannot go on; its message says why and what to do, and is all that is printed."""
