"""A door for agents: the Model Context Protocol over the actions."""
