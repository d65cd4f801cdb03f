"""A labelled corpus that judges the guard: invented values in every form, and lines without any."""
