"""Which rows of an input go where."""
