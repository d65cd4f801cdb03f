"""From rules to alerts: when each is due, what it gives, and what that makes of its alerts."""
