"""Sweeps: what is tried next, what is stopped early, what was best. What a trial computes is told elsewhere."""
