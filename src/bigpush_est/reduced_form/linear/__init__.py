"""Linear regressions with fixed effects: the problem, its estimators, covariances in any number of dimensions."""
