"""What a run has learned, by kind, and what can be asked of it."""
