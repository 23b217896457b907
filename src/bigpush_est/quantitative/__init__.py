"""Section 5 and 6 as a run: from an economy's data to its calibration, its counterfactuals and their pages."""
