"""Compositions: phases of training, one after another, each a Dagster run. What a phase computes is told elsewhere."""
