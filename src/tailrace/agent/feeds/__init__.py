"""What is no file: listeners, scrapes, pipes, the journal, and their way to the spool."""
