"""PromQL: text to a tree, and its value over the samples of one tenant."""
