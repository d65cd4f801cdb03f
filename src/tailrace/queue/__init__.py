"""The durable queue between guard and writers: segment log, consumers, dead letters."""
