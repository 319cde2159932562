"""What no caller may do, and what a read depends on (pure)."""
