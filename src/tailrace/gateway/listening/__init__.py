"""Doors that are sockets: syslog and Fluent Forward, before the same sink as the routes."""
