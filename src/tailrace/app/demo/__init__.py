"""demo-shop: the logs of a shop that does not exist."""
