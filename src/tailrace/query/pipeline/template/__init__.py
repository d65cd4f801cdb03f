"""The templates of line_format and label_format: the part of Go's text/template that LogQL uses.

`template.py` is the door; text goes through lexer, parser and compiler to closures.
"""
