"""Series on a grid of times, and what LogQL and PromQL do with them."""
