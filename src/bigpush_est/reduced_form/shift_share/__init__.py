"""Inference where the regressor or the instrument is a shift-share."""
