"""The stages of a LogQL query, run over rows that the engine has found.

`pipeline.py` is the door. See docs/pipeline.md for what each stage does.
"""
