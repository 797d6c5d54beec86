"""Measures E3 against the least that does the same, in the same run: ``e3 bench``."""
