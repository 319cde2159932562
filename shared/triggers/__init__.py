"""Triggers that a process of their own runs: by the changes of documents, and at times."""
