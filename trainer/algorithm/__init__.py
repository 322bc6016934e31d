"""The experiment as a pipeline of named steps, and what may be swapped in it; anyone can read it without torch."""
