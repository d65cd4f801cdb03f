"""A look at a data directory that says what is wrong with it."""
