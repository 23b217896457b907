"""The data that a study reads: the published figures, and where shipped files lie."""
