"""What builds and deploys the service."""
