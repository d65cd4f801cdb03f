"""Rules that a server has by default: ordinary rule files, of this package."""
