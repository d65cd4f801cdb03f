"""What queries may take: whose turn it is, how much they read, what is told of slow ones."""
