"""tailrace: high-velocity log collection, storage and search."""

__version__ = "0.1.0"
