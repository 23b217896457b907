"""Reduced-form estimators and the inference that goes with them."""
