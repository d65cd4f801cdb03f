"""Unit tests of rules, in the format of `promtool test rules`.

Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""
