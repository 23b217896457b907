"""Coordination models as adoption maps: steady states, stability, basins, thresholds, over batches of draws."""
