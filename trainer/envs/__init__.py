"""The environments behind one vectorised interface."""
