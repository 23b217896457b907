"""Section 5: the quantitative model with regions, sectors, trade and input-output linkages."""
