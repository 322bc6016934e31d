"""Training on machines that SkyPilot rents; a process that waits never imports SkyPilot."""
