"""What exists after a run: train, evaluate, analyze and the checks on them; it never says where a run is computed."""
