"""Credentials -> callers: the users of the app, the API keys of the deployment, their sessions."""
