"""The agent: tails files, numbers what it read, spools it, ships it."""
