"""Posterior models, one per file: priors and evidence in, a PyMC model and its log-likelihood in NumPy out."""
