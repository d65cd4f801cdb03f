"""Protocol bytes to content: pure functions, no I/O."""
