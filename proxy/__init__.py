"""authproxy: a local reverse proxy that authenticates what passes through it."""

__version__ = "0.1.0"
