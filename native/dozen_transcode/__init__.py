"""What Dozen's own Python does to documents, in native code: the same bytes, or None where Python is to do it."""
