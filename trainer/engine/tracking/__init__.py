"""Where training's numbers go besides the run directory: a process of its own, which no training waits for."""
