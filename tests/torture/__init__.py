"""The service under failure and load: `make torture` measures what docs/reliability.md promises."""
