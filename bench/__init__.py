"""Measurements of the real commands on the machine at hand, run by `make bench`."""
