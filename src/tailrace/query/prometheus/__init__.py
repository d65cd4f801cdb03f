"""Prometheus' HTTP API."""

from tailrace.query.prometheus.http import routes

__all__ = ["routes"]
