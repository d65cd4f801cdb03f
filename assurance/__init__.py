"""Every promise with what shows it: `docs/assurance.md`, made from the records of runs."""
