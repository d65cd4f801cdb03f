"""Rows that came late: rules are evaluated again at the slots whose rows they are among."""
