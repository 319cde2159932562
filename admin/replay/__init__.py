"""Recorded calls of an old program, sent to this deployment and compared."""
