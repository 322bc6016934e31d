"""Experiments of many runs: variants × seeds through Dagster's queue. What a run computes is told elsewhere."""
