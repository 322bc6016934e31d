"""Statistics of few runs, each by its formula: no chance is drawn, no file is read, nothing is rounded in favour."""
