"""What the API does: one file per verb, each route an individual HTTP-triggered function."""
