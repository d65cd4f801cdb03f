"""Of rules, alerts and notices."""

from __future__ import annotations

# Rules that were not in time are evaluated at the slots of so long ago, and at no more of them.
RULE_CATCH_UP_S = 3_600
RULE_CATCH_UP_SLOTS = 720
# Groups of rules that are evaluated at the same time; the others' turns come after them.
RULE_GROUPS_AT_ONCE = 2
# Series that one rule may give: each of them is an alert that somebody is told of.
RULE_SERIES = 10_000
