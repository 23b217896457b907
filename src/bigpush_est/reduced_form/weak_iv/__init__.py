"""Instruments that may be weak: strength, confidence sets that hold all the same."""
