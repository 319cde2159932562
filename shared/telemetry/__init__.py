"""Log lines, and telemetry if the settings ask for it."""
