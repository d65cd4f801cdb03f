"""From the spool to a gateway, and what is given up on the way."""
