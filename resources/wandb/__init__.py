"""Weights & Biases from the Dagster side: the connection, uploads of offline runs, and answers about runs."""
