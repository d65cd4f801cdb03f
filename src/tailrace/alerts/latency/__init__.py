"""How late alerts are, known all the time: the canary, every rule, and a watch over both."""
