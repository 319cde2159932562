"""The engine of functions: contexts, their limits, and what passes between them and the process."""
