"""BSON <-> JSON and Extended JSON, and the bytes of BSON (pure)."""
