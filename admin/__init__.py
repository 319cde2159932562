"""One-off processes: the same code, settings and release as the service."""
