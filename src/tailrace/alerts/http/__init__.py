"""What the alerts room answers over HTTP."""
