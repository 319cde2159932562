"""How the API does it: one noun per module."""
