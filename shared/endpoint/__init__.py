"""The HTTP edge: requests -> calls, replies and errors -> responses; one frame for all APIs."""
