"""Triggers that a process of their own runs, on a real MongoDB."""
