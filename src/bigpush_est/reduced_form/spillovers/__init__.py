"""Spillovers and complementarity: adopter shares, the group instrument, Table 1 and its checks."""
