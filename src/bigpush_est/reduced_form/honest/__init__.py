"""Honest confidence intervals under bounds on how far parallel trends fail."""
