"""The exported App Services app of a deployment: read, compiled and frozen."""
