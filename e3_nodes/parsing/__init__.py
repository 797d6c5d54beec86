"""Readers of what strangers write: bounded, strict, and with the place of each mistake."""
