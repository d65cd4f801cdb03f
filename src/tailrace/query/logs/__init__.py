"""LogQL over the log rows: as much as possible in SQL, the rest over blocks of rows."""
