"""Plans: what a run would change, and why. Pure."""
