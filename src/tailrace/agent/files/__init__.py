"""Files: found, followed through rotation, and read from where they were left."""
