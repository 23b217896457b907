"""From micro data or published figures to P(several steady states): evidence, posterior, the quantitative model."""
