"""OTLP: logs, metrics and traces, in protobuf and in JSON.

A request is a tree of resources, scopes and records. Each signal is one file that walks its tree
with a `Form`, which knows how one encoding writes texts, ids, attributes and values. Records stay
unopened until the walk comes to them, so that a body never takes much more memory than its bytes.
Source: https://opentelemetry.io/docs/specs/otlp/ and opentelemetry-proto 1.5.
"""
