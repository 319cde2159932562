"""The drivers' CRUD specification: its own unified tests, sent as calls."""
