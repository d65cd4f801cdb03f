"""Rule files: YAML text to groups of rules and back, every mistake with its line and column."""
