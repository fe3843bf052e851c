"""The method: divide, optimise, merge; its baselines and peers."""
