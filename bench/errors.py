"""What stops a measurement."""

from local.errors import LocalError


class BenchError(LocalError):
    """The figures would be wrong or cannot be had; the message says why."""
