"""`doctor`: everything that a deployment needs is looked at, and nothing is changed."""
