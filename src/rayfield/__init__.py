"""rayfield: scenes as neural fields, on an ordinary CPU."""

__version__ = "0.1.0"
