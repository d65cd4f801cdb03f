"""What personal and payment data looks like: tables, a file for each family."""
