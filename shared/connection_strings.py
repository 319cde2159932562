"""The arithmetic of connections to MongoDB: how many a process may open, so that all of them together fit."""

DEFAULT_POOL_SIZE = 50
_POLLING_MONITORS = 1  # asks a server every ten seconds how it is: in Azure's Functions host
_STREAMING_MONITORS = 2  # one is told by the server, one measures the round trip


def monitors(*, polling: bool) -> int:
    """Return how many connections to each server the driver keeps to watch it, beside the pool."""
    return _POLLING_MONITORS if polling else _STREAMING_MONITORS


def pool_size(budget: int, processes: int, monitors: int) -> int:
    """Return the connections of a pool to one server; less than one if the budget is too small."""
    return budget // processes - monitors
