"""Of the ledger: which frames are there, which are missing, and what was deleted."""

from __future__ import annotations

# Numberings that the ledger follows of one tenant: one for each agent, and for each agent that was
# begun anew within the time that agents are remembered.
NUMBERINGS_PER_TENANT = 20_000
# Ranges of frames that are missing, of one tenant: an incident is a few of them for each agent.
GAPS_PER_TENANT = 10_000
# Frames of one tenant that the guard let nothing pass of: forgotten once they are checked.
GUARDED_AWAY_PER_TENANT = 100_000
# Of one look of the ledger: spans of numbers, new ones and gaps of before, of which one question to
# the store holds some; and the numbers in all of them. 300 agents that send ten frames a second are
# 45,000 numbers in 15 seconds; each that is found is 8 bytes of an answer.
LEDGER_SPANS = 1_000
LEDGER_GAPS = 100
LEDGER_NUMBERS = 200_000
# Dead letters whose frames are known without reading them again, and as many that were dropped: 200
# bytes of memory for each.
DEAD_LETTERS_KNOWN = 100_000
# Deletions that are remembered of one tenant, the oldest go first: two files of the archive in each
# hour of ten years, 40 MB.
DELETIONS_PER_TENANT = 175_000
# Of one answer: 4 MB.
DELETIONS_LISTED = 10_000
