"""The review of logging code: what statements would log, told from the source."""
