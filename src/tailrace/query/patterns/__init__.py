"""Patterns: log lines grouped to templates, such as `Found child <_> in slot <_>`."""
