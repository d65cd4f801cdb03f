"""From one process to the gateways of another: which one, how to reach it, what it answers."""
