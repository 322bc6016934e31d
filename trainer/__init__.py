"""What runs: the contract, the environments, the policies and PPO; it never imports Dagster or SkyPilot."""
