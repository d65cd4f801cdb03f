"""LogQL: text to tokens to a tree. See Grafana's public LogQL reference for the language."""
