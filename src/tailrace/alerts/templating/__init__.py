"""Texts of alerts: templates of labels and annotations as Prometheus has them, and notices.

`template.py` compiles them, `annotator.py` fills them in.
"""
