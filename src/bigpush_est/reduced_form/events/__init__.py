"""Winners against losers: contracts, matches, the stacked event study."""
