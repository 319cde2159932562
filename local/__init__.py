"""The embedded default: a real mongod, sample data and a key, for `make run` and the tests."""
