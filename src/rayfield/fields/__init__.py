"""Fields: modules from position (and direction) to value."""
