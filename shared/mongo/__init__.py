"""MongoDB: clients, deadlines, refusals, reads."""
