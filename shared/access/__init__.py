"""What a caller may do to a collection, done: all that MongoDB allows, or what the rules of the app let through."""
