"""Priors, evidence, the PyMC model of the published figures, sampling and its diagnostics."""
