"""Alerts that cannot wait for an evaluation: a line fires them as it comes, and so does a finding
of the guard.

    hub of the live tail -> watch of each rule -> stream: its alerts -> store of alerts -> told

What is watched are rows of the queue, which went through the guard. What a watch could not look at
in time is read from the store.
"""
