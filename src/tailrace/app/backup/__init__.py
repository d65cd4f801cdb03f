"""Backups of a data directory, and what is made of them again."""
