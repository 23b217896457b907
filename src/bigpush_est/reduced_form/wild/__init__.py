"""The wild cluster bootstrap, in one and two dimensions, for least squares and instruments."""
