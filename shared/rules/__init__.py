"""The rules of an exported app: what a caller may see and change. Pure: no HTTP, no database, no clock decides."""
