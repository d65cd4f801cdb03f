"""Traces: found by id or by what their spans say, in the shapes of Jaeger's HTTP API."""
