"""Measurements: ratios and learning results, side by side in one run; never part of the product."""
