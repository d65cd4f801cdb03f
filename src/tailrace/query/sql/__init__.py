"""Read-only SQL of one tenant over documented views: check, rewrite, run, answer."""
