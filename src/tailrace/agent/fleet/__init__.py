"""Who the machine is, and what the agent says of itself."""
