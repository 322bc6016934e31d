"""What is swapped between runs: the home, the compute, the manifest store; it never imports torch or SkyPilot."""
