"""The agent's networks."""
