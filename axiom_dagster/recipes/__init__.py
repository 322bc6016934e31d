"""Recipes: experiments as Python files with a command line of their own; they choose, and compute nothing."""
