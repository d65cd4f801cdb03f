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
# Counts of what came, by source and minute, in memory before they are kept: 300 bytes each. Beyond,
# the queue is read again instead. Also how many are added up at once, about.
LEDGER_COUNTS = 200_000
# How long minutes of the ledger are kept: two years, that a year's archive can be asked for at its
# end. A minute of a source is some 20 bytes.
LEDGER_DAYS = 730
# Minutes of a numbering whose counts are in one announcement: a quarter of an hour in which none
# was heard loses no minute. And those that an agent remembers until their frames are delivered: two
# days without a gateway; what is older is told together.
ANNOUNCED_SENT = 15
SENT_MINUTES = 2_880
# Lines of one answer: sources, times steps where they are asked for. 700 bytes each.
LEDGER_LINES = 20_000
# Frames that deep verification names, and files of the archive that it opens side by side: each
# holds some buffers while it is read.
DEEP_FRAMES = 1_000
DEEP_FILES = 1_000
# Deletions of hot rows that deep verification tells apart; of more, any row may have been deleted.
DEEP_DELETIONS = 1_000
# How long the record has a row of each frame. Numbers of frames are known after that, too; what the
# rows are for is to say of which frame rows are gone, and the end of a day and a weekend must not
# hide Friday's. A frame a second of 1,000 agents are 86 million rows a day, of 20 bytes.
FRAMES_KEPT_DAYS = 3
# Dead letters whose frames are known without reading them again, and as many that were dropped: 200
# bytes of memory for each.
DEAD_LETTERS_KNOWN = 100_000
# Deletions that are remembered of one tenant, the oldest go first: two files of the archive in each
# hour of ten years, 40 MB.
DELETIONS_PER_TENANT = 175_000
# Of one answer: 4 MB.
DELETIONS_LISTED = 10_000
