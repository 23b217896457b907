"""Draws of the parameters to draws of outcomes, and their summaries."""
