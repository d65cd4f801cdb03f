"""LogQL over the store: parse, plan to SQL, evaluate, answer in the shapes of Loki's API."""
